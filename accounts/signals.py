"""What follows from the events of signing in and out."""

from allauth.account.signals import email_confirmed, password_reset
from django.contrib.auth.signals import user_login_failed
from django.dispatch import receiver
from knox.models import AuthToken

from operations.audit.refusals import login_failure_record

from .models import Doctor
from .validators import email_normalize
from .verification.services import doctor_waits


@receiver(email_confirmed)
def confirmed_doctor_waits(sender, request, email_address, **kwargs) -> None:
    doctor_waits(doctor=email_address.user, request=request)


@receiver(password_reset)
def reset_password_ends_tokens(sender, request, user, **kwargs) -> None:
    """Who had to reset the password may have lost more; sessions end with the password."""
    AuthToken.objects.filter(user=user).delete()


@receiver(user_login_failed)
def failed_login_is_recorded(sender, credentials, request=None, **kwargs) -> None:
    """To which account it was; the address that was typed is not kept."""
    email = email_normalize(str(credentials.get("email") or credentials.get("username") or ""))
    found = Doctor.objects.filter(email=email).values_list("pk", flat=True).first()
    login_failure_record(account_id=found, request=request)
