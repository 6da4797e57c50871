"""What was erased, beside the backups: a restored backup must not bring it back.

``erased/<digest>`` in the repository's storage, each empty but for one line. A digest is a keyed
hash; rotation leaves the folder alone. Without ``BACKUP_KEYS`` there is no repository.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages

FOLDER = "erased"
# What puts a restored database right; each returns how much there was to do.
_steps: list[Callable[[], int]] = []


def after_restore(step: Callable[[], int]) -> None:
    """Let ``step`` run after each ``manage.py restore``; from ``AppConfig.ready``."""
    _steps.append(step)


def after_restore_run() -> int:
    return sum(step() for step in _steps)


def tombstone_keep(digest: str) -> None:
    """Keep ``digest`` beside the backups; raises what a storage that fails raises there."""
    if not settings.BACKUP_KEYS:
        return
    # Here, since the ciphers come with it: a web process needs none.
    from .repository import backup_storage

    storage = storages["backups"]
    with backup_storage():
        if not storage.exists(f"{FOLDER}/{digest}"):
            storage.save(f"{FOLDER}/{digest}", ContentFile(b"erased\n"))


def tombstones_kept() -> set[str]:
    """Every digest that lies beside the backups."""
    if not settings.BACKUP_KEYS:
        return set()
    from .repository import backup_storage

    with backup_storage():
        try:
            _folders, names = storages["backups"].listdir(FOLDER)
        except FileNotFoundError:
            return set()
    return set(names)
