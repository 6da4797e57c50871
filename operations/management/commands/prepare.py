"""``manage.py prepare``: everything between a checkout and a first start."""

from __future__ import annotations

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Bring the database up to date, register the shipped model (promoted when none is) "
        "and, with DEBUG, make the demonstration accounts. Safe to repeat."
    )

    def handle(self, *args, **options) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        call_command("models", "register", "--shipped", "--promote-if-none")
        if settings.DEBUG:
            call_command("demo")
