"""The landing page and the pages that say that something went wrong."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from pneumoniapp.api.errors import (
    MalformedRequestError,
    NotFoundError,
    PermissionDeniedError,
    RequestTooLargeError,
)
from pneumoniapp.api.problems import problem_below_api
from pneumoniapp.errors import UnexpectedError
from radiology.models import Radiograph


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What this is, for a visitor; for somebody signed in, where their work is."""
    if request.user.is_authenticated:
        return redirect(_desk(request.user))
    return render(request, "landing.html")


def _desk(user) -> str:
    """The worklist; until there is a radiograph, the list, which says what to do first.

    The list also sends administrators and doctors who still wait where they belong.
    """
    has_work = user.may_practise and Radiograph.objects.visible_to(user).exists()
    return "inference:worklist" if has_work else "inference:list"


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """For pages that name no icon of their own, such as the admin's."""
    return redirect(static("img/icon.svg"))


@problem_below_api(MalformedRequestError)
def bad_request(request: HttpRequest, exception=None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        error = RequestTooLargeError(limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        return render(request, "errors/413.html", {"error": error}, status=error.status)
    return render(request, "errors/400.html", status=400)


@problem_below_api(PermissionDeniedError)
def permission_denied(request: HttpRequest, exception=None) -> HttpResponse:
    return render(request, "errors/403.html", status=403)


@problem_below_api(PermissionDeniedError)
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "errors/403_csrf.html", status=403)


@problem_below_api(NotFoundError)
def page_not_found(request: HttpRequest, exception=None) -> HttpResponse:
    return render(request, "errors/404.html", status=404)


@problem_below_api(UnexpectedError)
def server_error(request: HttpRequest) -> HttpResponse:
    """Touches neither the database nor the session: either may be what failed."""
    return HttpResponse(render_to_string("errors/500.html"), status=500)
