"""What may be done to accounts. Tokens have their own module, :mod:`accounts.tokens`."""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from operations.services import access_record

from .errors import NotADoctorError
from .mails import mail_administrators, mail_doctor
from .models import Doctor

EDITABLE = frozenset(
    {
        "email",
        "first_name",
        "last_name",
        "registration_number",
        "language",
        "mail_when_read",
        "read_first",
        "is_active",
        "is_staff",
        "is_superuser",
    }
)


@transaction.atomic
def doctor_register(
    *,
    email: str,
    password_hash: str,
    first_name: str,
    last_name: str,
    registration_number: str,
    language: str,
    request=None,
) -> Doctor:
    """Open the account of a doctor who signs up; it waits for the address and for verification.

    ``password_hash`` is what ``make_password`` made, before any transaction began. Raises
    ``ValidationError`` for a wrong or taken value, and ``IntegrityError`` when another
    sign-up took the number or the address in the same moment.
    """
    doctor = Doctor(
        email=email,
        first_name=first_name,
        last_name=last_name,
        registration_number=registration_number,
        language=language,
        password=password_hash,
    )
    doctor.full_clean()
    doctor.save()
    access_record(actor=None, action="create", obj=doctor, request=request)
    return doctor


@transaction.atomic
def doctor_invite(*, doctor: Doctor, by: Doctor, request=None) -> None:
    """Open an account (``doctor``, not saved yet) that an administrator filled in.

    Nobody knows a password of it: a mail tells the person how to choose one, which
    proves the address as well. A doctor who is entered by an administrator is verified.
    """
    doctor.set_unusable_password()
    if doctor.registration_number:
        doctor.verification = Doctor.Verification.VERIFIED
        doctor.verified_at, doctor.verified_by = timezone.now(), by
    doctor.full_clean()
    doctor.save()
    EmailAddress.objects.create(user=doctor, email=doctor.email, primary=True, verified=True)
    access_record(actor=by, action="create", obj=doctor, request=request)
    mail_doctor(
        template="invited", doctor=doctor, request=request, path=reverse("account_reset_password")
    )


@transaction.atomic
def doctor_update(*, doctor: Doctor, by: Doctor, request=None, **changes) -> Doctor:
    """Correct an account; returns it as it is now.

    Another e-mail address has to be confirmed before the next login. It and closing the
    account (``is_active=False``) end every session and token. Raises ``ValidationError``.
    """
    if unknown := changes.keys() - EDITABLE:
        raise TypeError(f"not editable: {sorted(unknown)}")
    doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
    old_email = doctor.email
    if changes.get("mail_when_read") and not doctor.mail_when_read:
        changes["mailed_until"] = timezone.now()  # what was sent before is no news
    if changes.get("read_first") and not doctor.read_first:
        changes["read_first_since"] = timezone.now()  # what was read before may have been seen
    for name, value in changes.items():
        setattr(doctor, name, value)
    doctor.full_clean()
    doctor.save(update_fields=list(changes))
    if doctor.email != old_email:
        EmailAddress.objects.filter(user=doctor).delete()
        EmailAddress.objects.create(user=doctor, email=doctor.email, primary=True, verified=False)
    if doctor.email != old_email or not doctor.is_active:
        _end_access(doctor)
    access_record(actor=by, action="update", obj=doctor, request=request)
    return doctor


def doctor_mail_claim(*, doctor: Doctor, until: datetime) -> bool:
    """Whether the caller is the one to mail what happened up to ``until``, and nobody else."""
    known = Doctor.objects.filter(
        pk=doctor.pk, mail_when_read=True, mailed_until=doctor.mailed_until
    )
    return bool(known.update(mailed_until=until))


def doctor_language_set(*, doctor: Doctor, language: str) -> None:
    """Remember the language that the doctor switched to; ``language`` is one of ``LANGUAGES``."""
    Doctor.objects.filter(pk=doctor.pk).exclude(language=language).update(language=language)


@transaction.atomic
def doctor_verify(*, doctor: Doctor, by: Doctor, request=None) -> Doctor:
    """Let a pending or suspended doctor practise, and tell them.

    A doctor who is verified already stays as they are. Raises :exc:`NotADoctorError` for
    an account without a registration number.
    """
    doctor = _doctor_locked(doctor)
    if doctor.verification == Doctor.Verification.VERIFIED:
        return doctor
    doctor.verification = Doctor.Verification.VERIFIED
    doctor.verified_at, doctor.verified_by = timezone.now(), by
    doctor.save(update_fields=["verification", "verified_at", "verified_by"])
    access_record(actor=by, action="update", obj=doctor, request=request)
    mail_doctor(template="verified", doctor=doctor, request=request)
    return doctor


@transaction.atomic
def doctor_suspend(*, doctor: Doctor, by: Doctor, request=None) -> Doctor:
    """Keep a doctor from working with patients from this moment on, and tell them.

    Every session and token ends. The doctor may log in again, to the page that says why
    there is nothing to see. Raises :exc:`NotADoctorError` as :func:`doctor_verify` does.
    """
    doctor = _doctor_locked(doctor)
    if doctor.verification == Doctor.Verification.SUSPENDED:
        return doctor
    doctor.verification = Doctor.Verification.SUSPENDED
    doctor.verified_at = doctor.verified_by = None
    doctor.save(update_fields=["verification", "verified_at", "verified_by"])
    _end_access(doctor)
    access_record(actor=by, action="update", obj=doctor, request=request)
    mail_doctor(template="suspended", doctor=doctor, request=request)
    return doctor


@transaction.atomic
def doctor_access_end(*, doctor: Doctor, by: Doctor, request=None) -> None:
    """End every session and token of an account, as after a stolen computer."""
    _end_access(doctor)
    access_record(actor=by, action="update", obj=doctor, request=request)


def doctor_email_confirmed(*, doctor: Doctor, request) -> None:
    """Tell the administrators that a doctor waits for them, once the address is proven."""
    waits = doctor.verification == Doctor.Verification.PENDING and doctor.registration_number
    if not waits or not settings.DOCTOR_VERIFICATION_REQUIRED:
        return
    path = f"{reverse('admin:accounts_doctor_changelist')}?verification__exact=pending"
    mail_administrators(template="waiting", link=request.build_absolute_uri(path))


@transaction.atomic
def unconfirmed_delete() -> int:
    """Delete sign-ups whose e-mail address was never confirmed; returns how many.

    After ``ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS`` their link is dead, and a number or
    an address that somebody else typed becomes free for its owner.
    """
    confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    expired = timezone.now() - timedelta(days=settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS)
    doctors = Doctor.objects.filter(
        ~Exists(confirmed),
        verification=Doctor.Verification.PENDING,
        is_staff=False,
        last_login=None,
        date_joined__lt=expired,
    )
    keys = list(doctors.values_list("pk", flat=True))
    for key in keys:
        access_record(
            actor=None, action="delete", object_type=Doctor._meta.label_lower, object_id=key
        )
    Doctor.objects.filter(pk__in=keys).delete()
    return len(keys)


def _doctor_locked(doctor: Doctor) -> Doctor:
    doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
    if not doctor.registration_number:
        raise NotADoctorError
    return doctor


def _end_access(doctor: Doctor) -> None:
    Doctor.objects.filter(pk=doctor.pk).update(session_generation=F("session_generation") + 1)
    AuthToken.objects.filter(user=doctor).delete()
