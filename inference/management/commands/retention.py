"""``manage.py retention``: who is past the term of retention, and their erasure."""

from __future__ import annotations

from inference.privacy.retention import overdue, retention_run
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = "Erases the patients whose term of retention is over; --dry-run only lists them."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *, dry_run: bool, **options) -> None:
        found = overdue() if dry_run else retention_run()
        total = radiographs = 0
        for entry in found:
            total += 1
            radiographs += entry.radiographs
            self.stdout.write(f"{entry.key}\t{entry.radiographs} radiographs\tuntil {entry.until}")
        verb = "would be" if dry_run else "were"
        self.stdout.write(f"{total} patients with {radiographs} radiographs {verb} erased")
