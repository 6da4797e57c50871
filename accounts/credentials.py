"""Who may work with patients now, and whether e-mail address and password are theirs."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.http import HttpRequest

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
)
from .models import Doctor
from .second_factor.codes import code_check
from .validators import email_normalize

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
