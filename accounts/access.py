"""Who may open which pages, and where everybody else is sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect


def home_url(user) -> str:
    """The page where a signed-in account begins."""
    if user.is_staff:
        return reverse("admin:index")
    if user.may_practise and not user.is_service:
        return resolve_url(settings.LOGIN_REDIRECT_URL)
    return reverse("accounts:waiting")


def practising_doctor_required(view: Callable) -> Callable:
    """Let only a doctor who may practise now reach ``view``.

    Everybody else is sent to the page that says what to do: anonymous visitors to the
    login (and back afterwards), administrators to the admin, doctors who wait or are
    suspended to the waiting page. For a class-based view use
    ``method_decorator(practising_doctor_required, name="dispatch")``.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        user = request.user
        person = user.is_authenticated and not (user.is_staff or user.is_service)
        if person and user.may_practise:
            return view(request, *args, **kwargs)
        if user.is_authenticated:
            response = redirect(home_url(user))
        else:
            # A fragment's address is no page to come back to: the page around it is.
            back = request.htmx.current_url_abs_path if request.htmx else request.get_full_path()
            response = redirect_to_login(back or "/", resolve_url(settings.LOGIN_URL))
        if request.htmx:
            # The browser would follow a plain redirect and put a whole page into the fragment.
            return HttpResponseClientRedirect(response.url)
        return response

    return guarded


@never_cache
def admin_login(request: HttpRequest, extra_context=None) -> HttpResponse:
    """The admin's login: allauth's page, with its limits; no doctor passes."""
    if not request.user.is_authenticated:
        return redirect_to_login(
            request.GET.get("next") or reverse("admin:index"), resolve_url(settings.LOGIN_URL)
        )
    if not request.user.is_staff:
        raise PermissionDenied
    return redirect("admin:index")
