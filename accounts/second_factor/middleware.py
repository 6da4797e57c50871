"""Administrators work with a second factor, or on nothing but setting one up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from .selectors import has_second_factor, session_used_second_factor

# Where an administrator without a second factor may go, by the name of the route.
OPEN = frozenset({"set_language", "account_logout", "account_reauthenticate", "favicon"})
OPEN_BEGINS = ("mfa_", "operations:")


class StaffSecondFactorMiddleware:
    """While ``MFA_REQUIRED_FOR_STAFF`` is on, no page is open to an administrator whose session
    has not used a second factor: with none they are led to where one is set up, with one to
    where it is asked for.

    It is this session that counts, as allauth notes it: that the account has a second factor
    says nothing of who holds the session.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view, args, kwargs) -> HttpResponse | None:
        user = request.user
        if not user.is_authenticated or not user.must_use_second_factor:
            return None
        name = request.resolver_match.view_name or ""
        if name in OPEN or name.startswith(OPEN_BEGINS) or session_used_second_factor(request):
            return None
        if not has_second_factor(user):
            target = reverse("mfa_index")
        else:
            back = request.get_full_path() if request.method == "GET" else reverse("admin:index")
            target = f"{reverse('mfa_reauthenticate')}?{urlencode({'next': back})}"
        return HttpResponseClientRedirect(target) if request.htmx else redirect(target)
