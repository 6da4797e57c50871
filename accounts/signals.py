"""What follows from allauth's events."""

from allauth.account.signals import email_confirmed, password_reset
from django.dispatch import receiver
from knox.models import AuthToken

from .services import doctor_email_confirmed


@receiver(email_confirmed)
def administrators_hear_of_waiting_doctor(sender, request, email_address, **kwargs) -> None:
    doctor_email_confirmed(doctor=email_address.user, request=request)


@receiver(password_reset)
def reset_password_ends_tokens(sender, request, user, **kwargs) -> None:
    """Who had to reset the password may have lost more; sessions end with the password."""
    AuthToken.objects.filter(user=user).delete()
