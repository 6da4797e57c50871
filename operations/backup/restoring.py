"""From one backup to a system that was empty."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.db import DatabaseError, connections, transaction

from operations.errors import (
    RestoreDatabaseError,
    RestoreDiffersError,
    RestoreFileInTheWayError,
    RestoreNotEmptyError,
    RestoreOtherVersionError,
    RestoreStorageError,
)
from pneumoniapp.errors import CodedError

from .dump import (
    MADE_BY_MIGRATE,
    applied_migrations,
    file_columns,
    table_digest,
    table_lines,
    table_load,
    tables,
)
from .making import Progress
from .repository import Repository, whole_file
from .sealed import CHUNK


@dataclass
class Target:
    """Where to: a migrated database without rows, the files' storage, the models' folder."""

    using: str = "default"
    files: Storage = default_storage
    model_root: Path = field(default_factory=lambda: Path(settings.MODEL_ROOT))


@dataclass
class Restored:
    """What was restored and found to be what the backup holds."""

    name: str
    rows: int = 0
    tables: int = 0
    files: int = 0
    models: int = 0
    bytes: int = 0
    missing: list[dict] = field(default_factory=list)


def backup_restore(
    repository: Repository, name: str, *, target: Target, progress: Progress
) -> Restored:
    """Restore the backup ``name`` into ``target``, all of it or nothing.

    Files come first, each checked against its keyed hash; then all rows in one transaction,
    which ends only if every table, read again, has the rows and the digest of the manifest,
    no row points to nothing, and every file that a row names is there. On any fault the
    rows are rolled back and the files that were written are removed again.

    Raises ``BackupNotFoundError``, ``RestoreNotEmptyError``, ``RestoreOtherVersionError``,
    ``RestoreFileInTheWayError``, ``RestoreDiffersError``, ``RestoreDatabaseError``,
    ``RestoreStorageError`` and what the repository raises about damaged parts.
    """
    manifest = repository.manifest_read(name)
    _check_versions(manifest, target.using)
    _check_empty(target.using)
    done = Restored(name, missing=manifest["missing"])
    weights = FileSystemStorage(location=target.model_root)
    with _removed_on_fault() as written:
        for area, storage in (("files", target.files), ("models", weights)):
            held = _files_restore(repository, manifest[area], area, storage, written, progress)
            setattr(done, area, len(held))
            done.bytes += sum(held.values())
            if area == "files":
                there = set(held) | {lost["name"] for lost in manifest["missing"]}
        try:
            with transaction.atomic(using=target.using):
                _rows_restore(repository, manifest, target.using, progress)
                _check_rows(manifest, target.using, there, progress)
        except DatabaseError as error:
            raise RestoreDatabaseError from error
    ContentType.objects.clear_cache()
    done.tables = len(manifest["tables"])
    done.rows = sum(table["rows"] for table in manifest["tables"])
    return done


def _check_versions(manifest: dict, using: str) -> None:
    differing = set(manifest["migrations"]) ^ set(applied_migrations(using))
    models = {model._meta.label_lower for model in tables()}
    differing |= {table["model"] for table in manifest["tables"]} ^ models
    if differing:
        raise RestoreOtherVersionError(count=len(differing), first=min(differing))


def _check_empty(using: str) -> None:
    full = [
        model._meta.label_lower
        for model in tables()
        if model._meta.label_lower not in MADE_BY_MIGRATE
        and model._base_manager.using(using).exists()
    ]
    if full:
        raise RestoreNotEmptyError(tables=", ".join(full))


@contextmanager
def _removed_on_fault() -> Iterator[list[tuple[Storage, str]]]:
    written: list[tuple[Storage, str]] = []
    try:
        yield written
    except BaseException:
        for storage, name in written:
            with suppress(Exception):
                storage.delete(name)
                _folders_remove(storage, name)
        raise


def _folders_remove(storage: Storage, name: str) -> None:
    """Remove the folders that ``name`` left empty, up to the storage's own."""
    with suppress(NotImplementedError, OSError):
        root, folder = Path(storage.path("")), Path(storage.path(name)).parent
        while folder != root and root in folder.parents:
            folder.rmdir()
            folder = folder.parent


def _files_restore(
    repository: Repository,
    area: dict,
    what: str,
    storage: Storage,
    written: list[tuple[Storage, str]],
    progress: Progress,
) -> dict[str, int]:
    held = {}
    for line in table_lines(repository, area["index"]):
        entry = json.loads(line)
        progress(what, len(held), area["count"])
        _file_restore(repository, entry, storage, written)
        held[entry["name"]] = entry["size"]
    if len(held) != area["count"]:
        raise RestoreDiffersError(table=what)
    return held


def _file_restore(
    repository: Repository, entry: dict, storage: Storage, written: list[tuple[Storage, str]]
) -> None:
    name = entry["name"]
    with _target_storage():
        if storage.exists(name):
            # What an earlier, interrupted restore wrote, or what survived.
            if _sha256(storage, name) != entry["sha256"]:
                raise RestoreFileInTheWayError(name=name)
            return
        with whole_file(storage) as out:
            for piece in repository.read(entry["object"]):
                out.file.write(piece)
            # Before it is there: a process that is told to stop right after removes it.
            written.append((storage, name))
            out.keep(name)


def _sha256(storage: Storage, name: str) -> str:
    digest = hashlib.sha256()
    with storage.open(name) as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _target_storage() -> Iterator[None]:
    try:
        yield
    except (CodedError, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        raise RestoreStorageError from error


def _rows_restore(repository: Repository, manifest: dict, using: str, progress: Progress) -> None:
    connection = connections[using]
    for label in MADE_BY_MIGRATE:
        apps.get_model(label)._base_manager.using(using)._raw_delete(using)
    # Rows point to rows of tables that come later, and to themselves: checked at the end.
    with connection.constraint_checks_disabled():
        for table in manifest["tables"]:
            label, total = table["model"], table["rows"]
            progress(label, 0, total)
            table_load(
                apps.get_model(label),
                table_lines(repository, table["parts"]),
                using=using,
                on_rows=lambda rows, label=label, total=total: progress(label, rows, total),
            )
    connection.check_constraints(
        [apps.get_model(t["model"])._meta.db_table for t in manifest["tables"]]
    )


def _check_rows(manifest: dict, using: str, there: set[str], progress: Progress) -> None:
    for table in manifest["tables"]:
        progress("check", 0, 0)
        model = apps.get_model(table["model"])
        if table_digest(model, using) != (table["rows"], table["digest"]):
            raise RestoreDiffersError(table=table["model"])
        for column in file_columns(model):
            named = model._base_manager.using(using).exclude(**{column: ""})
            for name in named.values_list(column, flat=True).iterator():
                if name not in there:
                    raise RestoreDiffersError(table=f"{table['model']}.{column}")
