"""The keys of the stored files: those of ``FILE_KEYS``, never in a file, a log or a page."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings

from operations.backup.keys import ID_BYTES, Key, key_secret
from operations.errors import FileKeysInvalidError, FileKeyUnknownError

__all__ = ["ID_BYTES", "FileKey", "FileKeyring"]


class FileKey(Key):
    """A secret for files. The same secret in ``BACKUP_KEYS`` gives other keys."""

    USE: ClassVar[bytes] = b"pneumoniapp file 1: "


class FileKeyring:
    """The first key seals; all of them unseal."""

    def __init__(self, texts: list[str]) -> None:
        """Raises ``FileKeysInvalidError``."""
        secrets = [key_secret(text) for text in texts]
        if None in secrets:
            raise FileKeysInvalidError(number=secrets.index(None) + 1)
        keys = [FileKey(secret) for secret in secrets]
        self.first = keys[0] if keys else None
        self._by_id = {key.id: key for key in keys}

    @classmethod
    def configured(cls) -> FileKeyring:
        return cls(settings.FILE_KEYS)

    def get(self, key_id: str) -> FileKey:
        """The key that is known by ``key_id``, or ``FileKeyUnknownError``."""
        try:
            return self._by_id[key_id]
        except KeyError:
            raise FileKeyUnknownError(key=key_id) from None
