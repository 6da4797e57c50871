"""``manage.py import_directory FILE``: a local extract of the directory of doctors."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.verification.directory import directory_import
from operations.services import access_record
from pneumoniapp.errors import CodedError


class Command(BaseCommand):
    help = (
        "Take in the directory with which registration numbers are compared, in place of the "
        "one before: CSV in UTF-8 with a heading, such as the Annuaire santé's "
        "PS_LibreAcces_Personne_activite, or with the columns registration_number, last_name, "
        "first_name and profession."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args, **options) -> None:
        try:
            with options["file"].open(encoding="utf-8", newline="") as lines:
                people, wrong = directory_import(lines)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except CodedError as error:
            raise CommandError(f"{options['file']}: {error}") from error
        access_record(
            actor=None,
            action="update",
            object_type="accounts.directoryedition",
            object_id="list",
            count=people,
        )
        self.stdout.write(f"{people} entries; {wrong} lines without a number or a name left out")
