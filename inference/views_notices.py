"""The fragment that every page of a doctor asks for: what waits, and that a batch was read."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, ResolverMatch, resolve
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from .notices_page import COOKIE, NEWS_LIMIT, Seen, notice

# Pages that say of their radiograph when it is read, and one that says so of every reading.
OF_ONE = {"inference:reading", "inference:viewer"}
WORKLIST = "inference:worklist"


@require_GET
@never_cache
def notices(request: HttpRequest) -> HttpResponse:
    """Empty (204) while there is nothing that the page does not say (``shown``) already.

    So it is for whoever is no practising doctor: a session that ends must not take a page
    away from somebody who is writing in it.
    """
    user = request.user
    if not user.is_authenticated or user.is_staff or not user.may_practise:
        return HttpResponse(status=204)
    page = _page(request)
    name = page.view_name if page else ""
    seen = Seen.of(request)
    found = notice(user, seen, shown=page.kwargs.get("pk") if name in OF_ONE else None)
    tells = found.tells and name != WORKLIST
    if not tells and str(found.waiting) == request.GET.get("shown", "0"):
        response = HttpResponse(status=204)
    else:
        context = {"notice": found, "tells": tells, "limit": NEWS_LIMIT, "waiting": found.waiting}
        response = render(request, "notices/_news.html", context)
    told = Seen(found.waiting, found.until)
    if told != seen:
        response.set_cookie(
            COOKIE,
            told.cookie(user),
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


def _page(request: HttpRequest) -> ResolverMatch | None:
    """The page that asks."""
    try:
        address = request.htmx.current_url_abs_path if request.htmx else None
        return resolve(urlsplit(address).path) if address else None
    except (Resolver404, ValueError):
        return None
