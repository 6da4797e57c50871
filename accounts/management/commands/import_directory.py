"""``manage.py import_directory FILE``: a local extract of the directory of doctors."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import CommandError

from accounts.verification.directory import directory_import
from operations.services import access_record
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Take in the directory with which registration numbers are compared, in place of the "
        "one before: CSV in UTF-8 with a heading, such as the Annuaire santé's "
        "PS_LibreAcces_Personne_activite, or with the columns registration_number, last_name, "
        "first_name and profession."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--shrink", action="store_true", help="take in a file with far fewer people, too"
        )

    def handle(self, *args, **options) -> None:
        try:
            with options["file"].open(encoding="utf-8", newline="") as lines:
                people, wrong = directory_import(lines, shrink=options["shrink"])
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        access_record(
            actor=None,
            action="update",
            object_type="accounts.directoryedition",
            object_id="list",
            count=people,
        )
        self.stdout.write(f"{people} entries; {wrong} lines without a number or a name left out")
