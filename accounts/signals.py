"""What follows from allauth's events."""

from allauth.account.signals import email_confirmed, password_reset
from django.dispatch import receiver
from knox.models import AuthToken

from .verification.services import doctor_waits


@receiver(email_confirmed)
def confirmed_doctor_waits(sender, request, email_address, **kwargs) -> None:
    doctor_waits(doctor=email_address.user, request=request)


@receiver(password_reset)
def reset_password_ends_tokens(sender, request, user, **kwargs) -> None:
    """Who had to reset the password may have lost more; sessions end with the password."""
    AuthToken.objects.filter(user=user).delete()
