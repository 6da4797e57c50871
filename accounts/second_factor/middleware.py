"""A second factor is asked for by session; administrators work with one, or on setting one up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from .selectors import has_second_factor, session_used_second_factor

# Where every session may go, by the name of the route.
OPEN = frozenset(
    {
        "set_language",
        "account_logout",
        "account_reauthenticate",
        "account_confirm_email",
        "favicon",
        "mfa_authenticate",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
    }
)
# Where an administrator who has no second factor yet may go: an address that waits for its
# confirmation keeps one from being set up.
SETTING_UP = ("mfa_", "account_email")


class SecondFactorMiddleware:
    """Where an account has a second factor, its pages are open to sessions that have used it.

    While ``MFA_REQUIRED_FOR_STAFF`` is on, no page at all is open to an administrator whose
    session has not: with none they are led to where one is set up, with one to where it is
    asked for.

    It is this session that counts, as allauth notes it: that the account has a second factor
    says nothing of who holds the session.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view, args, kwargs) -> HttpResponse | None:
        user = request.user
        name = request.resolver_match.view_name or ""
        if not user.is_authenticated or name in OPEN or name.startswith("operations:"):
            return None
        its_own = name.startswith("mfa_")
        if not (its_own or user.must_use_second_factor) or session_used_second_factor(request):
            return None
        if has_second_factor(user):
            after = reverse("mfa_index" if its_own else "admin:index")
            back = request.get_full_path() if request.method == "GET" else after
            target = f"{reverse('mfa_reauthenticate')}?{urlencode({'next': back})}"
        elif name.startswith(SETTING_UP):
            return None
        else:
            target = reverse("mfa_index")
        return HttpResponseClientRedirect(target) if request.htmx else redirect(target)
