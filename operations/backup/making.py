"""From the running system to one backup in the repository."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.db import models
from django.utils import timezone

from operations.errors import BackupFileUnreadableError
from operations.storage import StoredFile, stored_files
from pneumoniapp.errors import CodedError

from .dump import applied_migrations, snapshot, table_dump, table_lines, tables
from .repository import FORMAT, Repository, Stored
from .sealed import CHUNK

# progress(step, done, total): rows of a table, files, or bytes of nothing that is known: 0.
Progress = Callable[[str, int, int], None]
PART_BYTES = 4 * 1024 * 1024


class Wanted:
    """The files that rows name, or the files of a folder: name -> who names it."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, str, str]] = {}

    def add(self, name: str, row: models.Model, column: str) -> None:
        self.names[name] = (row._meta.label_lower, str(row.pk), column)


@dataclass
class Made:
    """What a backup has cost and holds, for its row and the terminal. Sizes in bytes.

    ``missing`` are files that rows name and that could not be read; ``gone`` those whose
    rows went, with their files, after the snapshot: nothing is wrong with these.
    """

    name: str
    objects_total: int = 0
    objects_new: int = 0
    bytes_total: int = 0
    bytes_new: int = 0
    counts: dict = field(default_factory=dict)
    missing: list[dict] = field(default_factory=list)
    gone: list[dict] = field(default_factory=list)

    def count(self, stored: Stored) -> str:
        self.objects_total += 1
        self.bytes_total += stored.size
        if stored.is_new:
            self.objects_new += 1
            self.bytes_new += stored.sealed
        return stored.name


def backup_name(now: dt.datetime) -> str:
    """A name that sorts by time, such as ``20261123T021500.123456Z-9f3c21``."""
    return f"{now.astimezone(dt.UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def backup_make(repository: Repository, *, progress: Progress, anew: bool = False) -> Made:
    """Copy database, files and models into ``repository``; the manifest is written last.

    What the newest backup holds and is unchanged (size and time of change) is not read
    again, and a content that is there already is not stored again; with ``anew`` all of it
    is. A file that can't be read is listed in ``missing``, and the rest is copied.

    Memory: about 500 bytes for each file of the system and 200 for each object of the
    repository; contents pass through piece by piece. Raises the coded errors of the
    repository; then there is no new backup, and the earlier ones are as they were.
    """
    now = timezone.now()
    made = Made(backup_name(now))
    known = {} if anew else repository.objects()
    earlier = {} if anew else _newest_index(repository, known)

    def store(content: bytes) -> str:
        return made.count(repository.add([content], known))

    wanted, dumped = Wanted(), []
    with snapshot() as alias:
        migrations = applied_migrations(alias)
        for model in tables():
            label = model._meta.label_lower
            progress(label, 0, 0)
            dumped.append(
                table_dump(
                    model,
                    using=alias,
                    store=store,
                    on_file=wanted.add,
                    on_rows=lambda rows, label=label: progress(label, rows, 0),
                )
            )
    copying = _Copying(repository, made, known, earlier, progress)
    files = copying.copy("files", default_storage, wanted)
    weights = FileSystemStorage(location=settings.MODEL_ROOT)
    models_held = copying.copy("models", weights, _all_files(weights))
    manifest = {
        "format": FORMAT,
        "name": made.name,
        "made_at": now.isoformat(),
        "complete": not made.missing,
        "keys": [repository.keyring.first.id],
        "migrations": migrations,
        "tables": [table.as_dict() for table in dumped],
        "files": files,
        "models": models_held,
        "missing": made.missing + made.gone,
        "bytes_total": made.bytes_total,
        "bytes_new": made.bytes_new,
    }
    progress("manifest", 0, 0)
    made.bytes_new += repository.manifest_write(made.name, manifest)
    made.counts = {
        "rows": {table.model: table.rows for table in dumped if table.rows},
        "files": files["count"],
        "models": models_held["count"],
        "missing": len(made.missing),
    }
    return made


class _Copying:
    """Copies the files of one storage after the other, and writes what it copied down."""

    def __init__(self, repository, made: Made, known, earlier, progress: Progress) -> None:
        self.repository, self.made, self.known = repository, made, known
        self.earlier, self.progress = earlier, progress

    def copy(self, area: str, storage: Storage, wanted: Wanted) -> dict:
        """The manifest's entry: number and bytes of the files, objects of the index."""
        found = _facts(storage, wanted)
        parts, part, size = [], bytearray(), 0
        count, total = 0, len(wanted.names)
        for number, (name, row) in enumerate(wanted.names.items()):
            self.progress(area, number, total)
            try:
                entry = self._entry(area, storage, name, found.get(name))
            except BackupFileUnreadableError as error:
                self._miss(area, name, row, error.__cause__)
                continue
            count, size = count + 1, size + entry["size"]
            part += json.dumps(entry, sort_keys=True).encode() + b"\n"
            if len(part) >= PART_BYTES:
                parts.append(self._keep(part))
                part = bytearray()
        if part:
            parts.append(self._keep(part))
        return {"count": count, "bytes": size, "index": parts}

    def _miss(self, area: str, name: str, row: tuple[str, str, str], fault) -> None:
        label, pk, column = row
        lost = {"area": area, "name": name, "model": label, "pk": pk, "column": column}
        if not isinstance(fault, FileNotFoundError):
            self.made.missing.append(lost | {"reason": "unreadable"})
        elif label and not _is_named(label, pk, column, name):
            self.made.gone.append(lost | {"reason": "deleted meanwhile"})
        else:
            self.made.missing.append(lost | {"reason": "missing"})

    def _keep(self, part: bytearray) -> str:
        return self.made.count(self.repository.add([bytes(part)], self.known))

    def _entry(self, area: str, storage: Storage, name: str, facts: StoredFile | None) -> dict:
        before = self.earlier.get((area, name))
        modified = facts and facts.modified.isoformat()
        if (
            before
            and facts
            and (before["size"], before["modified"]) == (facts.size, modified)
            and self.known.get(before["object"]) == before["sealed"]
        ):
            self.made.count(Stored(before["object"], before["size"], before["sealed"], False))
            return before
        content = _Hashed(_pieces(storage, name))
        stored = self.repository.add(content, self.known)
        self.made.count(stored)
        return {
            "name": name,
            "size": stored.size,
            "modified": modified,
            "sha256": content.hash.hexdigest(),
            "object": stored.name,
            "sealed": stored.sealed,
        }


class _Hashed:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces, self.hash = pieces, hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.hash.update(piece)
            yield piece


def _pieces(storage: Storage, name: str) -> Iterator[bytes]:
    """A stored file, piece by piece; whatever its storage raises is about this file alone."""
    try:
        with storage.open(name) as file:
            while piece := file.read(CHUNK):
                yield piece
    except (CodedError, GeneratorExit):
        raise
    except Exception as error:
        raise BackupFileUnreadableError from error


def _is_named(label: str, pk: str, column: str, name: str) -> bool:
    rows = apps.get_model(label)._base_manager.filter(pk=pk, **{column: name})
    return rows.exists()


def _facts(storage: Storage, wanted: Wanted) -> dict[str, StoredFile]:
    """Size and time of change of the wanted files; a storage that can't tell has them read."""
    folders = {name.partition("/")[0] for name in wanted.names if "/" in name}
    try:
        return {
            file.name: file
            for folder in sorted(folders)
            for file in stored_files(folder, storage)
            if file.name in wanted.names
        }
    except Exception:
        return {}


def _all_files(storage: FileSystemStorage) -> Wanted:
    """Every file below the folder of ``storage``, but for hidden ones and links."""
    wanted, root = Wanted(), Path(storage.location)
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and path.is_file() and not path.is_symlink():
            wanted.names["/".join(parts)] = ("", "", "")
    return wanted


def _newest_index(repository: Repository, known: dict[str, int]) -> dict[tuple[str, str], dict]:
    """By area and name, the files of the newest backup that the present key has written.

    One that can't be read is no help, and no hindrance: then every file is read.
    """
    for name in repository.manifests():
        try:
            manifest = repository.manifest_read(name)
            if manifest["keys"] != [repository.keyring.first.id]:
                return {}
            return {
                (area, entry["name"]): entry
                for area in ("files", "models")
                for entry in map(json.loads, table_lines(repository, manifest[area]["index"]))
            }
        except CodedError:
            continue
    return {}
