"""``manage.py verify_audit``: is the record of access what was recorded?"""

from __future__ import annotations

import argparse

from django.core.management.base import CommandError
from django.utils.translation import override

from operations.audit.checking import check_run
from operations.backup.terminal import Line
from pneumoniapp.commands import OperatorCommand


def anchor(text: str) -> tuple[int, str]:
    """``12:ab…`` -> position and chain."""
    position, _colon, chain = text.partition(":")
    if not position.isdecimal() or len(chain) != 64:
        raise argparse.ArgumentTypeError("an anchor is a position, a colon and 64 digits")
    return int(position), chain


class Command(OperatorCommand):
    help = (
        "Reads the whole record of access: every event is what was recorded, follows the one "
        "before, and none is missing. Ends with 1 and names the first fault otherwise."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--anchor",
            action="append",
            type=anchor,
            default=[],
            metavar="POSITION:CHAIN",
            help="an anchor kept elsewhere (a line audit_anchor of the log) to be found again",
        )

    def handle(self, *, anchor, **options) -> None:
        line = Line(self.stderr)
        check, found = check_run(
            witness=dict(anchor), progress=lambda done, total: line("events", done, total)
        )
        line.end()
        if found:
            self.stdout.write(
                f"{found.events} events, {found.changed} changed, {found.broken} broken, "
                f"{found.missing} missing, {found.unsealed} not sealed yet, "
                f"{found.anchors} anchors, triggers {'there' if found.triggers else 'ABSENT'}, "
                f"{check.duration.total_seconds():.1f} s"
            )
            self.stdout.write(f"head\t{found.position}:{found.chain}")
        if check.error:
            with override("en"):
                raise CommandError(f"{check.error_code}: {check.error}")
