"""The rows of all tables as text, the same for every engine, and back.

One line a row: a JSON object of column and value. Django's own ``jsonl`` serializer would do
but for times, which it cuts to milliseconds: here every value comes back as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

from django.apps import apps
from django.db import DatabaseError, connections, models
from django.db.migrations.recorder import MigrationRecorder

from .repository import Repository

# Of this very installation and moment: sessions end, the repository knows its backups, the
# record of access was verified here, statements took their time here, and an upload that is not
# finished is sent again. The directory of doctors is public, and imported again.
LEFT_OUT = {
    "accounts.directoryedition",
    "accounts.directoryperson",
    "operations.auditcheck",
    "operations.backup",
    "operations.heartbeat",
    "operations.restoredrill",
    "operations.statementtimes",
    "radiology.upload",
    "sessions.session",
}
# What `migrate` itself writes: a restore puts the backup's rows in the place of these.
MADE_BY_MIGRATE = ("auth.permission", "contenttypes.contenttype")
BATCH = 1000
# Rows are cut into objects at about this many bytes, from the first row on: of a table that
# only grows, the next backup stores the end alone.
PART_BYTES = 4 * 1024 * 1024
SNAPSHOT = "backup_snapshot"


@dataclass
class Table:
    """What a manifest says of one table.

    ``digest`` is the sum of the SHA-256 of all lines modulo 2^256, in hexadecimal: it does
    not depend on the order of the rows, since engines sort keys differently.
    """

    model: str
    rows: int = 0
    digest: str = ""
    parts: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return asdict(self)


class Digest:
    def __init__(self) -> None:
        self.rows, self.sum = 0, 0

    def add(self, line: bytes) -> None:
        self.rows += 1
        self.sum += int.from_bytes(hashlib.sha256(line).digest(), "big")

    @property
    def value(self) -> str:
        return f"{self.sum % 2**256:064x}"


def tables() -> list[type[models.Model]]:
    """Every table of the installed apps that a backup holds, those of relations included."""
    found = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    return sorted(
        (model for model in found if model._meta.label_lower not in LEFT_OUT),
        key=lambda model: model._meta.label_lower,
    )


def columns(model: type[models.Model]) -> list[models.Field]:
    """The columns that are written; what the database computes is left to it."""
    return [field for field in model._meta.local_concrete_fields if not field.generated]


def file_columns(model: type[models.Model]) -> list[str]:
    """The columns that name files."""
    return [field.attname for field in columns(model) if isinstance(field, models.FileField)]


def applied_migrations(using: str) -> list[str]:
    """``app.name`` of each migration of the installed apps that the database has had."""
    labels = {config.label for config in apps.get_app_configs()}
    applied = MigrationRecorder(connections[using]).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied if app in labels)


@contextmanager
def snapshot() -> Iterator[str]:
    """The alias of a connection of its own that sees the database as it is now, and no later.

    Nobody waits for it: on SQLite a read transaction (write-ahead log), on MariaDB and MySQL
    one of ``REPEATABLE READ`` that begins ``WITH CONSISTENT SNAPSHOT``.
    """
    connection = connections["default"].copy(SNAPSHOT)
    mysql = connection.vendor == "mysql"
    if mysql:
        connection.settings_dict["OPTIONS"]["isolation_level"] = "repeatable read"
    connections[SNAPSHOT] = connection
    try:
        with connection.cursor() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT" if mysql else "BEGIN")
            cursor.execute("SELECT COUNT(*) FROM django_migrations")  # SQLite begins here.
        yield SNAPSHOT
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        connection.close()
        del connections[SNAPSHOT]


def stored_rows(model: type[models.Model], using: str) -> Iterator[models.Model]:
    """Every row by primary key, some hundred at a time: MySQL's client would hold them all."""
    rows = model._base_manager.using(using).order_by("pk")
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH]) if len(batch) == BATCH else []


def row_line(row: models.Model, fields: list[models.Field]) -> bytes:
    values = {field.attname: _value(field, row) for field in fields}
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def row_from_line(line: bytes, model: type[models.Model], fields: list[models.Field]):
    values = json.loads(line)
    return model(**{field.attname: field.to_python(values[field.attname]) for field in fields})


def table_dump(
    model: type[models.Model],
    *,
    using: str,
    store: Callable[[bytes], str],
    on_file: Callable[[str, models.Model, str], None],
    on_rows: Callable[[int], None],
) -> Table:
    """Give all rows to ``store`` in parts, and each file that a row names to ``on_file``."""
    fields, files, digest = columns(model), file_columns(model), Digest()
    table, part = Table(model._meta.label_lower), bytearray()
    for row in stored_rows(model, using):
        line = row_line(row, fields)
        digest.add(line)
        part += line
        for column in files:
            if name := str(getattr(row, column)):
                on_file(name, row, column)
        if len(part) >= PART_BYTES:
            table.parts.append(store(bytes(part)))
            part.clear()
            on_rows(digest.rows)
    if part:
        table.parts.append(store(bytes(part)))
    table.rows, table.digest = digest.rows, digest.value
    return table


def table_lines(repository: Repository, parts: Iterable[str]) -> Iterator[bytes]:
    """The lines of a table, or of an index, as they were stored."""
    for part in parts:
        yield from repository.read_whole(part).splitlines(keepends=True)


def table_load(
    model: type[models.Model], lines: Iterable[bytes], *, using: str, on_rows: Callable[[int], None]
) -> None:
    """Insert the rows as they are: no signal, no default, no time of today."""
    fields, batch, done = columns(model), [], 0
    most = min(BATCH, connections[using].ops.bulk_batch_size(fields, [None] * BATCH))

    def insert() -> None:
        # What bulk_create does, but for the values that a field would set anew (auto_now_add).
        model._base_manager._insert(batch, fields=fields, using=using, raw=True)

    for line in lines:
        batch.append(row_from_line(line, model, fields))
        if len(batch) == most:
            insert()
            done += len(batch)
            batch.clear()
            on_rows(done)
    if batch:
        insert()


def table_digest(model: type[models.Model], using: str) -> tuple[int, str]:
    """Rows and digest of a table as it is in the database."""
    fields, digest = columns(model), Digest()
    for row in stored_rows(model, using):
        digest.add(row_line(row, fields))
    return digest.rows, digest.value


def _value(field: models.Field, row: models.Model):
    value = field.value_from_object(row)
    if value is None or isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.FileField):
        return str(value)
    return value if isinstance(value, bool | int | float | str) else field.value_to_string(row)
