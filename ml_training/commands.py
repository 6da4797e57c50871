"""What the commands of the laboratory have in common."""

from __future__ import annotations

import os

from django.core.management.base import CommandError

from pneumoniapp.commands import OperatorCommand


class LaboratoryCommand(OperatorCommand):
    """Needs ``requirements/training.txt``, which a command imports only when it is at work."""

    requires_system_checks = ()

    def execute(self, *args, **options):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            return super().execute(*args, **options)
        except ImportError as error:
            raise CommandError(
                f"This needs requirements/training.txt ({error.name} is missing)."
            ) from error

    def say(self, sentence: str) -> None:
        self.stderr.write(f"{sentence} ...")
