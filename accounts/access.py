"""Who may open the pages that show patients."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect


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
        if user.is_authenticated and not user.is_staff and user.may_practise:
            return view(request, *args, **kwargs)
        if not user.is_authenticated:
            # A fragment's address is no page to come back to: the page around it is.
            back = request.htmx.current_url_abs_path if request.htmx else request.get_full_path()
            response = redirect_to_login(back or "/", resolve_url(settings.LOGIN_URL))
        elif user.is_staff:
            response = redirect("admin:index")
        else:
            response = redirect("accounts:waiting")
        if request.htmx:
            # The browser would follow a plain redirect and put a whole page into the fragment.
            return HttpResponseClientRedirect(response.url)
        return response

    return guarded
