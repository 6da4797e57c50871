"""Whether the files' storage and the rows that name its files agree.

A storage knows nothing of transactions: a process killed between storing a file and writing
its row leaves a file that no row names. A row whose file is gone is another matter: a disk
or a backup has lost something.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.files.storage import Storage, default_storage
from django.db import models
from django.utils import timezone

# Which columns name files below which folder of the storage.
_folders: dict[str, list[tuple[type[models.Model], str]]] = {"health": []}


class StoredFile(NamedTuple):
    name: str
    modified: dt.datetime
    size: int


class LostFile(NamedTuple):
    """A row (``model`` as ``app.model``) whose ``column`` names a file that is not there."""

    model: str
    pk: str
    column: str
    name: str


@dataclass
class Comparison:
    """``young``: files without a row that are too new to be called orphans."""

    files: int = 0
    rows: int = 0
    young: int = 0
    orphans: list[StoredFile] = field(default_factory=list)
    lost: list[LostFile] = field(default_factory=list)


def register(folder: str, model: type[models.Model], *columns: str) -> None:
    """Let ``columns`` of ``model`` name the files below ``folder``; from ``AppConfig.ready``."""
    _folders[folder] = [(model, column) for column in columns]


def storage_compare(*, older_than: dt.timedelta) -> Comparison:
    """Every file below the registered folders against every row that may name it.

    A file is stored before its row is written, so only one ``older_than`` that is an orphan.
    Holds the names of all files of one folder in memory (about 200 bytes each).
    """
    found, limit = Comparison(), timezone.now() - older_than
    for folder, columns in _folders.items():
        named = _names(columns)
        found.rows += len(named)
        for file in stored_files(folder):
            found.files += 1
            if named.pop(file.name, None):
                continue
            if file.modified > limit:
                found.young += 1
            else:
                found.orphans.append(file)
        # Asked once more: a file may have come, or a row gone, while the storage was read.
        found.lost += [
            lost
            for lost in named.values()
            if not default_storage.exists(lost.name) and _still_named(columns, lost)
        ]
    return found


def orphans_delete(comparison: Comparison) -> int:
    """Delete the orphans that no row names by now; returns how many."""
    deleted = 0
    for folder, columns in _folders.items():
        orphans = [file for file in comparison.orphans if file.name.startswith(f"{folder}/")]
        named = _names(columns) if orphans else {}
        for file in orphans:
            if file.name not in named:
                default_storage.delete(file.name)
                deleted += 1
    return deleted


def all_files() -> Iterator[StoredFile]:
    """Every file below the registered folders."""
    for folder in _folders:
        yield from stored_files(folder)


def stored_files(folder: str, storage: Storage = default_storage) -> Iterator[StoredFile]:
    """Every file below ``folder`` of a storage; of the files' own unless another is given."""
    if bucket := getattr(storage, "bucket", None):
        # S3 lists a thousand keys a call; folder by folder it would be a call for each.
        for item in bucket.objects.filter(Prefix=f"{folder}/"):
            yield StoredFile(item.key, item.last_modified, item.size)
        return
    # As a bucket tells it: of what lies there, sealed or not.
    stored_size = getattr(storage, "stored_size", storage.size)
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        path = f"{folder}/{name}"
        try:
            modified, size = storage.get_modified_time(path), stored_size(path)
        except FileNotFoundError:  # Gone since it was listed.
            continue
        yield StoredFile(path, modified, size)
    for name in folders:
        yield from stored_files(f"{folder}/{name}", storage)


def _names(columns: list[tuple[type[models.Model], str]]) -> dict[str, LostFile]:
    named = {}
    for model, column in columns:
        rows = model._base_manager.exclude(**{column: ""}).values_list("pk", column)
        for pk, name in rows.iterator():
            named[name] = LostFile(model._meta.label_lower, str(pk), column, name)
    return named


def _still_named(columns: list[tuple[type[models.Model], str]], lost: LostFile) -> bool:
    return any(
        model._base_manager.filter(pk=lost.pk, **{column: lost.name}).exists()
        for model, column in columns
        if (model._meta.label_lower, column) == (lost.model, lost.column)
    )
