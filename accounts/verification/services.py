"""The moves of a doctor's verification: each is kept as a step, recorded and mailed."""

from __future__ import annotations

from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.errors import (
    NotADoctorError,
    VerificationNameChangedError,
    VerificationReasonMissingError,
    VerificationStateError,
)
from accounts.mails import mail_administrators, mail_doctor
from accounts.models import Doctor
from operations.services import access_record

from .models import Verification, VerificationStep
from .proofs import proof_delete

# A doctor hears so many days before the term that it ends.
TELL_BEFORE = timedelta(days=30)
# A doctor who was refused, or whose term is over, may ask again.
MAY_APPLY = frozenset({Verification.REFUSED, Verification.EXPIRED})
WAITING_LIST = "?verification__exact=pending"
RENAMED_LIST = "?renamed_from__isempty=0"


@transaction.atomic
def doctor_verify(*, doctor: Doctor, by: Doctor, name: str | None = None, request=None) -> Doctor:
    """Let a doctor practise for a term (``DOCTOR_VERIFICATION_DAYS``), and tell them.

    A doctor who is verified already gets a new term, once the old one is a day nearer to its
    end or the doctor has changed their name. ``name``: the one that ``by`` looked at. Raises
    :exc:`NotADoctorError` for an account without a registration number, and
    :exc:`VerificationNameChangedError`.
    """
    doctor = doctor_locked(doctor)
    _check_name(doctor, name)
    until = term_end()
    if (
        doctor.verification == Verification.VERIFIED
        and (doctor.verified_until is None or doctor.verified_until == until)
        and not doctor.renamed_from
    ):
        return doctor
    doctor.verified_at, doctor.verified_by, doctor.verified_until = timezone.now(), by, until
    doctor.expiry_told, doctor.renamed_from = False, ""
    fields = ["verified_at", "verified_by", "verified_until", "expiry_told", "renamed_from"]
    return _move(doctor, Verification.VERIFIED, by=by, fields=fields, request=request)


@transaction.atomic
def doctor_refuse(
    *, doctor: Doctor, by: Doctor, reason: str, name: str | None = None, request=None
) -> Doctor:
    """Refuse a doctor who waits, say why, and tell them; they may correct it and ask again.

    Raises :exc:`NotADoctorError`, :exc:`VerificationReasonMissingError`, for a doctor who does
    not wait :exc:`VerificationStateError`, and :exc:`VerificationNameChangedError` as
    :func:`doctor_verify` does.
    """
    doctor = doctor_locked(doctor)
    _check_name(doctor, name)
    if not reason.strip():
        raise VerificationReasonMissingError
    if doctor.verification != Verification.PENDING:
        raise VerificationStateError
    return _move(doctor, Verification.REFUSED, by=by, reason=reason, request=request)


@transaction.atomic
def doctor_suspend(*, doctor: Doctor, by: Doctor, reason: str = "", request=None) -> Doctor:
    """Keep a doctor from working with patients from this moment on, and tell them.

    Every session and token ends. The doctor may log in again, to the page that says why
    there is nothing to see. Raises :exc:`NotADoctorError` as :func:`doctor_verify` does.
    """
    from accounts.services import access_end

    doctor = doctor_locked(doctor)
    if doctor.verification == Verification.SUSPENDED:
        return doctor
    doctor.verified_at = doctor.verified_by = doctor.verified_until = None
    fields = ["verified_at", "verified_by", "verified_until"]
    _move(doctor, Verification.SUSPENDED, by=by, reason=reason, fields=fields, request=request)
    access_end(doctor)
    return doctor


@transaction.atomic
def doctor_apply(
    *, doctor: Doctor, first_name: str, last_name: str, registration_number: str, request=None
) -> Doctor:
    """Let a doctor who was refused, or whose term is over, wait for an administrator again.

    Raises :exc:`VerificationStateError` in another state, and ``ValidationError`` for a wrong
    or taken value.
    """
    doctor = doctor_locked(doctor)
    if doctor.verification not in MAY_APPLY:
        raise VerificationStateError
    doctor.first_name, doctor.last_name = first_name, last_name
    doctor.registration_number = registration_number
    doctor.renamed_from = ""
    doctor.full_clean()
    fields = ["first_name", "last_name", "registration_number", "renamed_from"]
    _move(doctor, Verification.PENDING, by=None, fields=fields, request=request, actor=doctor)
    tell_administrators(request)
    return doctor


def verifications_expire() -> int:
    """Move those whose term is over to expired, and tell whose term ends soon; how many expired.

    Nobody practises a day longer when this does not run: ``Doctor.may_practise`` looks at the
    term itself.
    """
    today = timezone.localdate()
    verified = Doctor.objects.filter(verification=Verification.VERIFIED)
    expired = 0
    for key in list(verified.filter(verified_until__lt=today).values_list("pk", flat=True)):
        expired += _expire(key, today)
    soon = verified.filter(verified_until__lte=today + TELL_BEFORE, expiry_told=False)
    for doctor in soon.filter(verified_until__gte=today):
        with transaction.atomic():
            if Doctor.objects.filter(pk=doctor.pk, expiry_told=False).update(expiry_told=True):
                mail_doctor(template="expiring", doctor=doctor)
    return expired


def verification_expire(*, doctor: Doctor) -> None:
    """Move a doctor whose term is over on at once, who need not wait for the schedule."""
    if doctor.term_is_over:
        _expire(doctor.pk, timezone.localdate())


@transaction.atomic
def _expire(key: int, today: date) -> bool:
    doctor = Doctor.objects.select_for_update().get(pk=key)
    over = doctor.verified_until and doctor.verified_until < today
    if doctor.verification != Verification.VERIFIED or not over:
        return False
    _move(doctor, Verification.EXPIRED, by=None)
    return True


def doctor_waits(*, doctor: Doctor, request) -> None:
    """A doctor has proven their address and waits: tell both sides, once verification is due."""
    waits = doctor.verification == Verification.PENDING and doctor.registration_number
    if not waits or not settings.DOCTOR_VERIFICATION_REQUIRED:
        return
    VerificationStep.objects.create(doctor=doctor, state=Verification.PENDING)
    mail_doctor(template="pending", doctor=doctor, request=request)
    tell_administrators(request)


def name_changed(*, doctor: Doctor, before: str, by: Doctor, request=None) -> None:
    """Note on ``doctor``, who is not saved yet, that they had the name ``before``.

    A verified doctor who changes it goes on working, since people marry, and administrators are
    told to look again, once. What an administrator writes has been looked at.
    """
    if by.pk != doctor.pk or doctor.verification != Verification.VERIFIED:
        doctor.renamed_from = ""
    elif not doctor.renamed_from:
        doctor.renamed_from = before
        tell_administrators(request, template="renamed", which=RENAMED_LIST)
    elif doctor.renamed_from == doctor.get_full_name():
        doctor.renamed_from = ""


def tell_administrators(request, template: str = "waiting", which: str = WAITING_LIST) -> None:
    path = reverse("admin:accounts_doctor_changelist") + which
    link = request.build_absolute_uri(path) if request else ""
    mail_administrators(template=template, link=link)


def term_end() -> date | None:
    """The last day of a term that begins today; ``None`` where terms have no end."""
    days = settings.DOCTOR_VERIFICATION_DAYS
    return timezone.localdate() + timedelta(days=days) if days else None


def doctor_locked(doctor: Doctor) -> Doctor:
    doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
    if not doctor.registration_number:
        raise NotADoctorError
    return doctor


def _check_name(doctor: Doctor, name: str | None) -> None:
    if name is not None and name != doctor.get_full_name():
        raise VerificationNameChangedError


def _move(
    doctor: Doctor,
    state: str,
    *,
    by: Doctor | None,
    reason: str = "",
    fields: list[str] | None = None,
    request=None,
    actor: Doctor | None = None,
) -> Doctor:
    """Save the new state with its step, its record and its mail; a proof has done its work."""
    doctor.verification = state
    doctor.save(update_fields=["verification", *(fields or [])])
    step = VerificationStep(doctor=doctor, state=state, by=by, reason=reason.strip())
    step.full_clean(exclude=["doctor", "by"])
    step.save(force_insert=True)
    access_record(
        actor=by or actor,
        action="update",
        obj=doctor,
        reason=f"verification:{step.pk}",
        request=request,
    )
    if state != Verification.PENDING:
        proof_delete(doctor=doctor)
    context = {"reason": step.reason, "until": doctor.verified_until}
    mail_doctor(template=state, doctor=doctor, request=request, context=context)
    return doctor
