"""``manage.py promote NAME:VERSION``: put a registered version into production."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import Doctor
from inference.registry import version_get
from inference.services import model_promote
from pneumoniapp.commands import OperatorCommand


def account(email: str | None) -> Doctor | None:
    """The administrator to record, if one was named."""
    if not email:
        return None
    found = Doctor.objects.filter(email=Doctor.objects.normalize_email(email), is_staff=True)
    if not found:
        raise CommandError("No administrator has this e-mail address.")
    return found[0]


class Command(OperatorCommand):
    help = "Put a registered model version into production."

    def add_arguments(self, parser) -> None:
        parser.add_argument("version", metavar="NAME:VERSION")
        parser.add_argument("--by", metavar="EMAIL", help="the administrator to record")

    def handle(self, *args, **options) -> None:
        promotion = model_promote(
            model_version=version_get(options["version"]), by=account(options["by"])
        )
        self.stdout.write(f"{promotion.model_version} in production")
