"""``manage.py rollback``: go back to the model version that was in production before."""

from __future__ import annotations

from inference.services import model_rollback
from pneumoniapp.commands import OperatorCommand

from .promote import account


class Command(OperatorCommand):
    help = "Go back to the model version that the present one replaced."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--by", metavar="EMAIL", help="the administrator to record")

    def handle(self, *args, **options) -> None:
        promotion = model_rollback(by=account(options["by"]))
        self.stdout.write(f"{promotion.model_version} in production")
