"""What follows from the events of signing in and out."""

from allauth.account.signals import (
    email_changed,
    email_confirmed,
    password_changed,
    password_reset,
    password_set,
)
from django.contrib.auth.signals import user_login_failed
from django.dispatch import receiver

from operations.audit.refusals import login_failure_record
from operations.services import access_record

from .models import Doctor
from .tokens.services import tokens_end
from .validators import email_normalize
from .verification.services import doctor_waits


@receiver(email_confirmed)
def confirmed_doctor_waits(sender, request, email_address, **kwargs) -> None:
    doctor_waits(doctor=email_address.user, request=request)


@receiver([password_changed, password_set])
def changed_password_is_recorded(sender, request, user, **kwargs) -> None:
    access_record(actor=user, action="update", obj=user, reason="password_changed", request=request)


@receiver(email_changed)
def changed_address_is_recorded(sender, request, user, **kwargs) -> None:
    access_record(actor=user, action="update", obj=user, reason="address_changed", request=request)


@receiver(password_reset)
def reset_password_ends_tokens(sender, request, user, **kwargs) -> None:
    """Who had to reset the password may have lost more; sessions end with the password."""
    access_record(actor=user, action="update", obj=user, reason="password_reset", request=request)
    tokens_end(user)


@receiver(user_login_failed)
def failed_login_is_recorded(sender, credentials, request=None, **kwargs) -> None:
    """To which account it was; the address that was typed is not kept."""
    email = email_normalize(str(credentials.get("email") or credentials.get("username") or ""))
    found = Doctor.objects.filter(email=email).values_list("pk", flat=True).first()
    login_failure_record(account_id=found, request=request)
