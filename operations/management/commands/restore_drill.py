"""``manage.py restore_drill``: prove now that the newest backup can be restored."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.utils.translation import override

from operations.backup.drilling import drill_run
from operations.backup.terminal import Line
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Restores the newest backup into a scratch database and folder, verifies it and removes "
        "both. Touches nothing that is live. Ends with 1 when it failed."
    )

    def handle(self, **options) -> None:
        line = Line(self.stderr)
        drill = drill_run(progress=line)
        line.end()
        if drill.error:
            with override("en"):
                raise CommandError(f"{drill.error_code}: {drill.error}")
        self.stdout.write(
            f"{drill.backup}\t{drill.state}\t{drill.counts['rows']} rows in "
            f"{drill.counts['tables']} tables, {drill.counts['files']} files, "
            f"{drill.counts['models']} model files\t{drill.duration.total_seconds():.1f} s"
        )
