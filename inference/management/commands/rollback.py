"""``manage.py rollback``: go back to the model version that was in production before."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from inference.services import model_rollback
from pneumoniapp.errors import CodedError

from .promote import account


class Command(BaseCommand):
    help = "Go back to the model version that the present one replaced."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--by", metavar="EMAIL", help="the administrator to record")

    def handle(self, *args, **options) -> None:
        try:
            promotion = model_rollback(by=account(options["by"]))
        except CodedError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self.stdout.write(f"{promotion.model_version} in production")
