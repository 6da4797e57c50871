"""Which backups stay, and the removal of what no backup needs any more."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from operations.storage import stored_files

from .dump import table_lines
from .making import Progress
from .repository import Repository, backup_storage

# What a killed process left half-written is of no use after this.
TMP_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Known:
    """What the rotation asks of a backup."""

    name: str
    made_at: dt.datetime
    is_complete: bool


@dataclass(frozen=True)
class Rotated:
    """What a rotation has removed; ``freed`` in bytes."""

    backups: int = 0
    objects: int = 0
    freed: int = 0


def backups_kept(backups: Iterable[Known], keep: tuple[int, int, int]) -> set[str]:
    """The names of those to keep.

    Of each of the last days, weeks and months (as many as ``keep`` says, those without a
    backup not counted) the newest backup, a complete one before any other; and in any case
    all of the last 24 hours, the newest complete one, and what is newer.
    """
    newest_first = sorted(backups, key=lambda backup: backup.made_at, reverse=True)
    limit = newest_first[0].made_at - timedelta(days=1) if newest_first else None
    kept = {backup.name for backup in newest_first if backup.made_at > limit}
    for backup in newest_first:
        kept.add(backup.name)
        if backup.is_complete:
            break
    periods: tuple[Callable[[dt.datetime], object], ...] = (
        lambda at: at.date(),
        lambda at: at.isocalendar()[:2],
        lambda at: (at.year, at.month),
    )
    for count, period in zip(keep, periods, strict=True):
        chosen: dict[object, Known] = {}
        for backup in newest_first:
            key = period(backup.made_at.astimezone(dt.UTC))
            if key not in chosen and len(chosen) == count:
                break
            if key not in chosen or (backup.is_complete and not chosen[key].is_complete):
                chosen[key] = backup
        kept |= {backup.name for backup in chosen.values()}
    return kept


def repository_rotate(repository: Repository, *, progress: Progress) -> Rotated:
    """Remove the backups that ``BACKUP_KEEP`` lets go, then the objects that none names.

    Only for whoever holds the one unfinished row: a backup that is being made has objects
    that no manifest names yet. Raises what reading a manifest raises, before anything is
    removed: while one backup can't be read, nobody knows which objects it needs.
    """
    progress("rotation", 0, 0)
    manifests = {name: repository.manifest_read(name) for name in repository.manifests()}
    kept = backups_kept(
        (
            Known(name, dt.datetime.fromisoformat(manifest["made_at"]), manifest["complete"])
            for name, manifest in manifests.items()
        ),
        settings.BACKUP_KEEP,
    )
    needed, seen = set(), set()
    for name in kept:
        progress("rotation", len(needed), 0)
        for part in _named_by(manifests[name]):
            needed.add(part)
        for area in ("files", "models"):
            index = [part for part in manifests[name][area]["index"] if part not in seen]
            seen.update(index)
            needed.update(json.loads(line)["object"] for line in table_lines(repository, index))
    gone = [name for name in manifests if name not in kept]
    for name in gone:
        repository.manifest_delete(name)
    removed = freed = 0
    for name, size in repository.objects().items():
        if name not in needed:
            progress("rotation", removed, 0)
            repository.object_delete(name)
            removed, freed = removed + 1, freed + size
    _leftovers_delete(repository)
    return Rotated(len(gone), removed, freed)


def _named_by(manifest: dict) -> Iterable[str]:
    for table in manifest["tables"]:
        yield from table["parts"]
    for area in ("files", "models"):
        yield from manifest[area]["index"]


def _leftovers_delete(repository: Repository) -> None:
    limit = timezone.now() - TMP_AFTER
    with backup_storage():
        for file in list(stored_files("tmp", repository.storage)):
            if file.modified < limit:
                repository.storage.delete(file.name)
