"""``manage.py demo``: accounts to try the application with."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import Doctor

DOCTOR = {
    "email": "docteur.demo@example.org",
    "first_name": "Camille",
    "last_name": "Démo",
    # Its check digit is right, and it is nobody's number.
    "registration_number": "00000000000",
    "verification": Doctor.Verification.VERIFIED,
}
ADMIN = {
    "email": "admin.demo@example.org",
    "first_name": "Dominique",
    "last_name": "Démo",
    "is_staff": True,
    "is_superuser": True,
}


class Command(BaseCommand):
    help = (
        "Make a demo doctor (docteur.demo@example.org) and a demo administrator "
        "(admin.demo@example.org) with the password DEMO_PASSWORD. Only where DEBUG is on."
    )

    def handle(self, *args, **options) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Demo accounts have a known password, so they are made only where DEBUG is on."
            )
        with transaction.atomic():
            for facts in (DOCTOR, ADMIN):
                demo_account(facts)
        self.stdout.write(
            f"Demo doctor {DOCTOR['email']}, demo administrator {ADMIN['email']}, "
            f"password: {settings.DEMO_PASSWORD}"
        )


def demo_account(facts: dict) -> None:
    """Make the account, or put it back as it was; sessions of the same password go on."""
    doctor = Doctor.objects.filter(email=facts["email"]).first() or Doctor(email=facts["email"])
    for name, value in facts.items():
        setattr(doctor, name, value)
    doctor.is_active = True
    if doctor.verification == Doctor.Verification.VERIFIED:
        doctor.verified_at = doctor.verified_at or timezone.now()
    if not doctor.check_password(settings.DEMO_PASSWORD):
        doctor.set_password(settings.DEMO_PASSWORD)
    doctor.full_clean()
    doctor.save()
    EmailAddress.objects.update_or_create(
        user=doctor, email=doctor.email, defaults={"primary": True, "verified": True}
    )
