"""What is known of an account's, and of a session's, second factor."""

from __future__ import annotations

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def has_second_factor(user) -> bool:
    return is_mfa_enabled(user, FACTORS)


def session_used_second_factor(request: HttpRequest) -> bool:
    """Whether whoever holds this session has shown a second factor in it."""
    return any(
        record.get("method") == "mfa"
        for record in get_authentication_records(request, request.user)
    )
