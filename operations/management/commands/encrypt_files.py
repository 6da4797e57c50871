"""``manage.py encrypt_files``: every stored file sealed with the first key of FILE_KEYS."""

from __future__ import annotations

import sys
from collections import Counter

from django.core.files.storage import default_storage
from django.core.management import BaseCommand, CommandError

from operations.errors import FileDamagedError, FileKeyUnknownError
from operations.services import access_record
from operations.storage import all_files
from pneumoniapp.errors import CodedError


class Command(BaseCommand):
    help = (
        "Seals every stored file that is not sealed with the first key of FILE_KEYS: after the "
        "first key was set, and after another was put in its place. May be stopped and run again "
        "at any time, while the application works. Ends with 1 when a file can't be read."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--check", action="store_true", help="count, and change nothing")

    def handle(self, *, check: bool, **options) -> None:
        try:
            first = default_storage.keyring.first
        except CodedError as error:
            raise CommandError(str(error)) from error
        if first is None and not check:
            raise CommandError(
                "FILE_KEYS is not set. Make a key with `manage.py backup --new-key`."
            )
        found, sealed, wrong = Counter(), 0, 0
        for file in all_files():
            try:
                key = default_storage.key_id(file.name)
                if not check and key != first.id:
                    default_storage.seal_again(file.name)
                    key, sealed = first.id, sealed + 1
            except FileNotFoundError:  # Gone since it was listed.
                continue
            except (FileDamagedError, FileKeyUnknownError) as error:
                self.stdout.write(f"{error.code}\t{file.name}")
                wrong += 1
                continue
            found[key] += 1
        for key, count in sorted(found.items()):
            name = f"key {key}" if key else "not encrypted"
            mark = " (the first key)" if first and key == first.id else ""
            self.stdout.write(f"{count} files: {name}{mark}")
        self.stdout.write(f"{sum(found.values()) + wrong} files; {sealed} sealed, {wrong} unread.")
        if sealed:
            access_record(
                actor=None,
                action="update",
                object_type="operations.filekey",
                object_id=first.id,
                count=sealed,
            )
        if wrong:
            sys.exit(1)
