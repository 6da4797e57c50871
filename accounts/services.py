"""What may be done to accounts. Tokens have their own package, :mod:`accounts.tokens`."""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.urls import reverse
from django.utils import timezone

from operations.services import access_record

from .errors import LastAdministratorError
from .mails import mail_doctor
from .models import Doctor, VerificationStep
from .tokens.services import tokens_end
from .verification.services import name_changed, term_end

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
# Who has all of these may give them to others.
EVERY_RIGHT = frozenset({"is_superuser", "is_staff", "is_active"})


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
        doctor.verified_until = term_end()
    doctor.full_clean()
    doctor.save()
    if doctor.registration_number:
        VerificationStep.objects.create(doctor=doctor, state=doctor.verification, by=by)
    EmailAddress.objects.create(user=doctor, email=doctor.email, primary=True, verified=True)
    access_record(actor=by, action="create", obj=doctor, request=request)
    mail_doctor(
        template="invited", doctor=doctor, request=request, path=reverse("account_reset_password")
    )


@transaction.atomic
def doctor_update(*, doctor: Doctor, by: Doctor, request=None, **changes) -> Doctor:
    """Correct an account; returns it as it is now.

    Another e-mail address has to be confirmed before the next login; one's own is only changed
    when it has been confirmed. It and closing the account (``is_active=False``) end every session
    and token. Raises ``ValidationError`` and :exc:`LastAdministratorError`.
    """
    if unknown := changes.keys() - EDITABLE:
        raise TypeError(f"not editable: {sorted(unknown)}")
    if EVERY_RIGHT & changes.keys():
        # In one order, so that of two who take each other's rights away the later is refused.
        list(Doctor.objects.select_for_update().filter(is_superuser=True).order_by("pk"))
    doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
    last_administrator_check(doctor=doctor, changes=changes)
    old_email, old_name = doctor.email, doctor.get_full_name()
    if changes.get("mail_when_read") and not doctor.mail_when_read:
        changes["mailed_until"] = timezone.now()  # what was sent before is no news
    if changes.get("read_first") and not doctor.read_first:
        changes["read_first_since"] = timezone.now()  # what was read before may have been seen
    for name, value in changes.items():
        setattr(doctor, name, value)
    doctor.full_clean()
    renamed = bool(doctor.registration_number) and doctor.get_full_name() != old_name
    if renamed:
        name_changed(doctor=doctor, before=old_name, by=by, request=request)
        changes["renamed_from"] = doctor.renamed_from
    new_email = doctor.email
    if by.pk == doctor.pk:
        doctor.email = old_email
    doctor.save(update_fields=list(changes))
    if doctor.email != new_email:
        EmailAddress.objects.add_new_email(request, doctor, new_email)
    if doctor.email != old_email:
        EmailAddress.objects.filter(user=doctor).delete()
        EmailAddress.objects.create(user=doctor, email=doctor.email, primary=True, verified=False)
    if doctor.email != old_email or not doctor.is_active:
        access_end(doctor)
    reason = "renamed" if renamed else ""
    access_record(actor=by, action="update", obj=doctor, reason=reason, request=request)
    return doctor


def last_administrator_check(*, doctor: Doctor, changes: dict) -> None:
    """Raise :exc:`LastAdministratorError` where ``changes`` would leave nobody with every right:
    nobody could give them back, or open the account again."""
    has = all(getattr(doctor, name) for name in EVERY_RIGHT)
    if not has or all(changes.get(name, True) for name in EVERY_RIGHT):
        return
    others = Doctor.objects.filter(is_superuser=True, is_staff=True, is_active=True)
    if not others.exclude(pk=doctor.pk).exists():
        raise LastAdministratorError


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
def doctor_access_end(*, doctor: Doctor, by: Doctor, request=None) -> None:
    """End every session and token of an account, as after a stolen computer."""
    access_end(doctor)
    access_record(actor=by, action="update", obj=doctor, request=request)


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


def access_end(doctor: Doctor) -> None:
    """End every session and token of an account; the caller records why."""
    Doctor.objects.filter(pk=doctor.pk).update(session_generation=F("session_generation") + 1)
    tokens_end(doctor)
