"""What the commands of the laboratory have in common."""

from __future__ import annotations

import os

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import override

from pneumoniapp.errors import CodedError


class LaboratoryCommand(BaseCommand):
    """Needs ``requirements/training.txt``, which a command imports only when it is at work.

    What is wrong is said in English: an operator's output is in one language.
    """

    requires_system_checks = ()

    def execute(self, *args, **options):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            return super().execute(*args, **options)
        except ImportError as error:
            raise CommandError(
                f"This needs requirements/training.txt ({error.name} is missing)."
            ) from error
        except CodedError as error:
            with override("en"):
                raise CommandError(f"{error.code}: {error}") from error

    def say(self, sentence: str) -> None:
        self.stderr.write(f"{sentence} ...")
