"""``manage.py storage_check``: files without a row, and rows without a file."""

from __future__ import annotations

import sys
from datetime import timedelta

from django.core.management import BaseCommand, CommandError

from operations.storage import orphans_delete, storage_compare


class Command(BaseCommand):
    help = (
        "Compares the files' storage with the database. Changes nothing without "
        "--delete-orphans. Ends with 1 when a row's file is missing: restore it from a backup."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--older-than",
            type=float,
            default=24,
            metavar="HOURS",
            help="a younger file may still get its row and is left alone (default 24, at least 1)",
        )
        parser.add_argument(
            "--delete-orphans", action="store_true", help="delete the files without a row"
        )

    def handle(self, *, older_than: float, delete_orphans: bool, **options) -> None:
        if not older_than >= 1:
            raise CommandError("--older-than must be at least 1 hour.")
        found = storage_compare(older_than=timedelta(hours=older_than))
        for file in found.orphans:
            self.stdout.write(f"orphan\t{file.name}\t{file.size} bytes\t{file.modified:%Y-%m-%d}")
        for lost in found.lost:
            self.stdout.write(f"missing\t{lost.name}\t{lost.model} {lost.pk}\t{lost.column}")
        self.stdout.write(
            f"{found.files} files, {found.rows} named by rows; {len(found.orphans)} orphans "
            f"({sum(file.size for file in found.orphans)} bytes), {found.young} younger without "
            f"a row, {len(found.lost)} missing."
        )
        if delete_orphans:
            self.stdout.write(f"{orphans_delete(found)} orphans deleted.")
        if found.lost:
            sys.exit(1)
