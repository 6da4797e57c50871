"""``manage.py backup``: a backup now, or a new key for backups."""

from __future__ import annotations

import sys

from django.core.management.base import CommandError
from django.utils.translation import override

from operations.backup import keys
from operations.backup.making import Made
from operations.backup.services import backup_open, backup_run
from operations.backup.terminal import Line, size_text
from operations.models import Backup
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Makes an encrypted backup of database, files and models in the repository. Ends with 1 "
        "when it failed, or when files that the database names are missing from it."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--anew",
            action="store_true",
            help="store everything again, also what the repository has: after damage was found",
        )
        parser.add_argument(
            "--new-key", action="store_true", help="print a new random key for BACKUP_KEYS"
        )

    def handle(self, *, anew: bool, new_key: bool, **options) -> None:
        if new_key:
            self.stdout.write(keys.new_key())
            return
        backup = backup_open(kind=Backup.Kind.BY_HAND)
        line = Line(self.stderr)
        made = backup_run(backup=backup, progress=line, anew=anew)
        line.end()
        if made is None:
            raise CommandError(_fault(backup))
        self._tell(backup, made)
        if made.missing:
            for lost in made.missing:
                self.stdout.write(
                    f"{lost['reason']}\t{lost['name']}\t{lost['model']} {lost['pk']}\t"
                    f"{lost['column']}"
                )
            self.stderr.write(_fault(backup))
            sys.exit(1)

    def _tell(self, backup: Backup, made: Made) -> None:
        rows = sum(made.counts["rows"].values())
        self.stdout.write(
            f"{made.name}\t{backup.state}\t{rows} rows, {made.counts['files']} files, "
            f"{made.counts['models']} model files\t{size_text(made.bytes_total)} in "
            f"{made.objects_total} parts, {size_text(made.bytes_new)} new in {made.objects_new}\t"
            f"{backup.duration.total_seconds():.1f} s"
        )


def _fault(backup: Backup) -> str:
    with override("en"):
        return f"{backup.error_code}: {backup.error}"
