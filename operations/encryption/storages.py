"""Django's storages of files, with everything in them sealed while ``FILE_KEYS`` has a key.

A file from before the first key is read as it is; ``manage.py encrypt_files`` seals it.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.functional import cached_property

from .keys import FileKeyring
from .sealed import CHUNK, HEADER, Unsealed, key_id_of, plain_size, seal

# A larger sealed file goes through the disk while it is written; it is sealed already.
IN_MEMORY = 2 * 1024 * 1024


class Sealing:
    """What any storage needs to seal what it keeps; ``keyring`` has the keys of the settings."""

    @cached_property
    def _keys(self) -> tuple[tuple[str, ...], FileKeyring]:
        return tuple(settings.FILE_KEYS), FileKeyring.configured()

    @property
    def keyring(self) -> FileKeyring:
        texts, keyring = self._keys
        if texts != tuple(settings.FILE_KEYS):  # another setting, as in a test
            del self._keys
            return self._keys[1]
        return keyring

    def _save(self, name: str, content: File) -> str:
        key = self.keyring.first
        if key is None:
            return super()._save(name, content)
        # Both storages would change a name that they do not like, before they come here.
        with tempfile.SpooledTemporaryFile(
            max_size=IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR
        ) as sealed:
            for piece in seal(content.chunks(), key, _plain_name(name)):
                sealed.write(piece)
            sealed.seek(0)
            return super()._save(name, File(sealed, name))

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode != "rb":
            raise ValueError("stored files are opened for reading alone; save() writes them")
        file = super()._open(name, mode)
        try:
            if not key_id_of(_first(file, HEADER)):
                return file
            unsealed = io.BufferedReader(Unsealed(file, self.keyring, _plain_name(name)), CHUNK)
        except BaseException:
            file.close()
            raise
        return File(unsealed, name)

    def size(self, name: str) -> int:
        """Of the content."""
        stored = self.stored_size(name)
        return plain_size(stored) if self.key_id(name) else stored

    def stored_size(self, name: str) -> int:
        """Of what lies in the storage."""
        return super().size(name)

    def key_id(self, name: str) -> str:
        """The key with which the stored file is sealed; empty when it is not."""
        with super()._open(name, "rb") as file:
            return key_id_of(file.read(HEADER))

    def seal_again(self, name: str) -> None:
        """Write the file anew, sealed with the first key; at every moment there is a whole one."""
        with self.open(name) as content:
            self._replace(name, content)

    def _replace(self, name: str, content: File) -> None:
        self._save(name, content)  # S3: a key has the old object until the new one is whole


class EncryptedFileSystemStorage(Sealing, FileSystemStorage):
    """A folder of sealed files."""

    def _replace(self, name: str, content: File) -> None:
        path = Path(self.path(name))
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".sealing-")
        try:
            with os.fdopen(number, "wb") as out:
                for piece in seal(content.chunks(), self.keyring.first, _plain_name(name)):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            before = path.stat()
            Path(temporary).chmod(before.st_mode & 0o777)
            os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _first(file: File, count: int) -> bytes:
    """The first bytes of a file just opened, without moving in it where it can be looked into."""
    if hasattr(file.file, "peek"):
        return file.file.peek(count)[:count]
    first = file.read(count)
    file.seek(0)
    return first


def _plain_name(name: str) -> str:
    return str(name).replace("\\", "/")
