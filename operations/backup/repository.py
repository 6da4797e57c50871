"""Where backups lie: sealed objects named by their content, and a sealed manifest of each backup.

``objects/<ab>/<name>`` holds one content, ``manifests/<name>`` says what belongs to the
backup ``name``. What is under such a name is whole: it was written under another one and
then moved (folder), or put in one request (S3).
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage, storages

from operations.errors import (
    BackupDamagedError,
    BackupFormatError,
    BackupNotFoundError,
    BackupPartMissingError,
    BackupStorageFailedError,
    BackupStorageFullError,
)
from operations.storage import stored_files
from pneumoniapp.errors import CodedError

from .keys import Key, Keyring
from .sealed import SealBrokenError, Sealer, unseal

# No room, no more of the quota, larger than a file may be.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OBJECT = b"object"
# Of manifests and of what they name.
FORMAT = 1


@dataclass(frozen=True)
class Stored:
    """One content: its object's name, its size, and the size of the sealed object.

    ``is_new`` is false when the repository had it.
    """

    name: str
    size: int
    sealed: int
    is_new: bool


@contextmanager
def backup_storage() -> Iterator[None]:
    """Whatever the storage's back-end raises means that it is full or doesn't work."""
    try:
        yield
    except (CodedError, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in FULL
        raise (BackupStorageFullError if full else BackupStorageFailedError) from error


class Repository:
    """The backups in one storage, read and written with one ring of keys."""

    def __init__(self, storage: Storage, keyring: Keyring) -> None:
        self.storage, self.keyring = storage, keyring
        # Folders with objects that only the manifest makes worth anything: on disk before it.
        self._unsynced: set[Path] = set()

    @classmethod
    def configured(cls) -> Repository:
        """The repository of the settings; raises what ``Keyring.configured`` does."""
        keyring = Keyring.configured()
        return cls(storages["backups"], keyring)

    def objects(self) -> dict[str, int]:
        """Bytes of every sealed object by name; about 150 bytes of memory for each."""
        with backup_storage():
            return {
                file.name.rpartition("/")[2]: file.size
                for file in stored_files("objects", self.storage)
            }

    def add(self, pieces: Iterable[bytes], known: dict[str, int]) -> Stored:
        """Store one content, given piece by piece, unless ``known`` objects have it.

        ``known`` is what :meth:`objects` gave; the new object is added to it. An object of
        another size than it should have is replaced.
        """
        key = self.keyring.first
        namer, size = key.namer(), 0
        with backup_storage(), whole_file(self.storage, self._unsynced) as out:
            sealer = Sealer(out.file, key, OBJECT)
            for piece in pieces:
                namer.update(piece)
                size += len(piece)
                sealer.write(piece)
            sealed, name = sealer.finish(), namer.hexdigest()
            is_new = known.get(name) != sealed
            if is_new:
                out.keep(object_path(name))
                known[name] = sealed
        return Stored(name, size, sealed, is_new)

    def read(self, name: str) -> Iterator[bytes]:
        """The content of the object ``name``, piece by piece.

        Every piece is authentic; that all are there is known after the last. Raises
        ``BackupPartMissingError``, ``BackupDamagedError``, ``BackupKeyUnknownError``,
        ``BackupStorageFailedError``.
        """
        with self._opened(object_path(name), OBJECT) as (key, pieces):
            namer = key.namer()
            for piece in pieces:
                namer.update(piece)
                yield piece
            if not hmac.compare_digest(namer.hexdigest(), name):
                raise SealBrokenError

    def read_whole(self, name: str) -> bytes:
        """A small content in one piece."""
        return b"".join(self.read(name))

    def manifests(self) -> list[str]:
        """The names of all backups, newest first."""
        with backup_storage():
            try:
                _folders, names = self.storage.listdir("manifests")
            except FileNotFoundError:
                return []
        return sorted((name for name in names if name), reverse=True)

    def manifest_write(self, name: str, manifest: dict) -> int:
        """Store the manifest of the backup ``name``: from then on it is one. Returns bytes."""
        with backup_storage(), whole_file(self.storage) as out:
            sealer = Sealer(out.file, self.keyring.first, b"manifest " + name.encode())
            sealer.write(json.dumps(manifest).encode())
            sealed = sealer.finish()
            while self._unsynced:
                _folder_sync(self._unsynced.pop())
            out.keep(f"manifests/{name}")
        return sealed

    def manifest_read(self, name: str) -> dict:
        """The manifest of the backup ``name``; raises as :meth:`read`, ``BackupNotFoundError``."""
        path = f"manifests/{name}"
        if "/" in name or name not in self.manifests():
            raise BackupNotFoundError
        with self._opened(path, b"manifest " + name.encode()) as (_key, pieces):
            manifest = json.loads(b"".join(pieces))
        if manifest["format"] != FORMAT:
            raise BackupFormatError(format=manifest["format"])
        return manifest

    def manifest_delete(self, name: str) -> None:
        with backup_storage():
            self.storage.delete(f"manifests/{name}")

    def object_delete(self, name: str) -> None:
        with backup_storage():
            self.storage.delete(object_path(name))

    @contextmanager
    def _opened(self, path: str, purpose: bytes) -> Iterator[tuple[Key, Iterator[bytes]]]:
        part = path.rpartition("/")[2]
        with backup_storage():
            try:
                with self.storage.open(path) as file:
                    yield unseal(file, self.keyring, purpose)
            except FileNotFoundError:
                raise BackupPartMissingError(part=part) from None
            except SealBrokenError:
                raise BackupDamagedError(part=part) from None


def object_path(name: str) -> str:
    return f"objects/{name[:2]}/{name}"


class _Folder:
    """A file in the storage's own folder, moved to its name when it is whole."""

    def __init__(self, storage: Storage, unsynced: set[Path] | None) -> None:
        self.storage, self.unsynced = storage, unsynced
        self.path = Path(storage.path(f"tmp/{uuid.uuid4().hex}"))
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.file: BinaryIO = os.fdopen(number, "wb")

    def keep(self, name: str) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        target = Path(self.storage.path(name))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.replace(target)
        if self.unsynced is None:
            _folder_sync(target.parent)
        else:
            self.unsynced.add(target.parent)

    def close(self) -> None:
        with suppress(OSError):
            self.file.close()
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # The folder too, unless something else is in it.
            self.path.parent.rmdir()


class _Spool:
    """A file without a name on this machine, put into the storage when it is whole."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115

    def keep(self, name: str) -> None:
        self.file.seek(0)
        self.storage.save(name, File(self.file))

    def close(self) -> None:
        with suppress(OSError):
            self.file.close()


def _folder_sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def whole_file(storage: Storage, unsynced: set[Path] | None = None) -> Iterator[_Folder | _Spool]:
    """``.file`` to write into; ``.keep(name)`` gives it to ``storage`` under ``name``.

    Without ``keep`` nothing remains, and at no time is there a part of a file under ``name``.
    Content and name outlast a power failure; with ``unsynced`` the name does once the
    caller has synced the folders that are put there.
    """
    try:
        storage.path("x")
    except NotImplementedError:
        out = _Spool(storage)
    else:
        out = _Folder(storage, unsynced)
    try:
        yield out
    finally:
        out.close()
