"""A system of its own for a moment: an empty database and folders that are gone after."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import connections
from django.db.utils import load_backend

from .restoring import Target

ALIAS = "restore_drill"


@contextmanager
def scratch_system(folder: Path | None = None) -> Iterator[Target]:
    """A migrated SQLite database and empty folders below ``folder`` (else a temporary one).

    Nothing of the running system is reachable through it, and nothing of it remains.
    """
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="restore-drill-") as name,
        scratch_target(Path(name)) as target,
    ):
        call_command("migrate", database=ALIAS, interactive=False, verbosity=0)
        yield target


@contextmanager
def scratch_target(root: Path) -> Iterator[Target]:
    """``db.sqlite3``, ``media`` and ``models`` in ``root`` as they are, for as long as needed."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(root / "db.sqlite3")}
    values = connections.configure_settings({"default": {}, ALIAS: database})[ALIAS]
    connection = load_backend(values["ENGINE"]).DatabaseWrapper(values, ALIAS)
    connections[ALIAS] = connection
    try:
        yield Target(
            using=ALIAS,
            files=FileSystemStorage(location=root / "media"),
            model_root=root / "models",
        )
    finally:
        connection.close()
        del connections[ALIAS]
