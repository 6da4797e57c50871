"""Tokens by which programs act for a doctor: knox's, hashed at rest, expiring, revocable."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from knox.models import AuthToken

from operations.services import access_record

from .errors import (
    AccountExpiredError,
    AccountInactiveError,
    AccountPendingError,
    AccountRefusedError,
    AccountSuspendedError,
    EmailNotConfirmedError,
    InvalidCredentialsError,
    NotADoctorError,
    TooManyAttemptsError,
    TooManyTokensError,
)
from .models import Doctor
from .second_factor.codes import code_check
from .validators import email_normalize

# How many characters of a token are shown again, so that its owner knows it.
HINT_LENGTH = 8
WHY_NOT = {
    Doctor.Verification.PENDING: AccountPendingError,
    Doctor.Verification.REFUSED: AccountRefusedError,
    Doctor.Verification.SUSPENDED: AccountSuspendedError,
    Doctor.Verification.EXPIRED: AccountExpiredError,
}


def practice_check(doctor: Doctor) -> None:
    """Raise the coded error that says why ``doctor`` may not work with patients now."""
    if not doctor.is_active:
        raise AccountInactiveError
    if doctor.is_service and doctor.may_practise:
        return
    if doctor.is_staff or not doctor.registration_number:
        raise NotADoctorError
    if doctor.may_practise:
        return
    state = Doctor.Verification.EXPIRED if doctor.term_is_over else doctor.verification
    raise WHY_NOT[state]


def credentials_check(*, request: HttpRequest, email: str, password: str, code: str = "") -> Doctor:
    """The doctor whose e-mail address and password these are, and who may practise.

    ``code`` is of the second factor, for those who have one.

    Failed attempts count together with those of the login page. Raises
    :exc:`InvalidCredentialsError`, :exc:`TooManyAttemptsError`,
    :exc:`EmailNotConfirmedError` and what :func:`code_check` and :func:`practice_check` raise.
    """
    try:
        doctor = get_adapter().authenticate(
            request, email=email_normalize(email), password=password
        )
    except ValidationError as error:
        raise TooManyAttemptsError from error
    if doctor is None:
        raise InvalidCredentialsError
    code_check(doctor=doctor, code=code)
    if not EmailAddress.objects.filter(user=doctor, email=doctor.email, verified=True).exists():
        raise EmailNotConfirmedError
    practice_check(doctor)
    return doctor


@transaction.atomic
def token_create(
    *, doctor: Doctor, by: Doctor | None = None, request: HttpRequest | None = None
) -> tuple[AuthToken, str]:
    """A new token and its text, which nobody can read again.

    ``by``: who makes it, where that is not ``doctor`` (for a program's account).
    It ends after ``API_TOKEN_DAYS``. Raises what :func:`practice_check` raises, and
    :exc:`TooManyTokensError` beyond ``API_TOKEN_LIMIT``.
    """
    practice_check(doctor)
    if tokens_list(doctor).count() >= settings.API_TOKEN_LIMIT:
        raise TooManyTokensError(limit=settings.API_TOKEN_LIMIT)
    token, text = AuthToken.objects.create(user=doctor)
    _record(by or doctor, "create", token, request)
    return token, text


@transaction.atomic
def token_revoke(*, token: AuthToken, by: Doctor, request: HttpRequest | None = None) -> None:
    """End one token at once."""
    _record(by, "delete", token, request)
    token.delete()


def tokens_list(doctor: Doctor) -> QuerySet[AuthToken]:
    """The doctor's tokens that still work, newest first."""
    alive = Q(expiry=None) | Q(expiry__gt=timezone.now())
    return AuthToken.objects.filter(alive, user=doctor).order_by("-created", "digest")


def expired_delete() -> int:
    """Delete tokens that have ended; returns how many."""
    return AuthToken.objects.filter(expiry__lte=timezone.now()).delete()[0]


def _record(actor, action: str, token: AuthToken, request) -> None:
    access_record(
        actor=actor,
        action=action,
        object_type=AuthToken._meta.label_lower,
        object_id=token.token_key[:HINT_LENGTH],
        request=request,
    )
