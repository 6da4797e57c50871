"""The keys of the backups: from the environment, never in a backup, a log or a page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from operations.errors import (
    BackupKeysInvalidError,
    BackupKeyUnknownError,
    BackupNotConfiguredError,
)

KEY_BYTES = 32
ID_BYTES = 8


@dataclass(frozen=True)
class Key:
    """One secret of 32 bytes and what is derived from it (HKDF-SHA-256, RFC 5869).

    ``id`` names the key to people and in headers; it tells nothing of the secret.
    """

    USE: ClassVar[bytes] = b"pneumoniapp backup 1: "

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.derive(b"id", ID_BYTES).hex()

    def derive(self, purpose: bytes, length: int = KEY_BYTES, salt: bytes | None = None) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=self.USE + purpose).derive(
            self.secret
        )

    def namer(self) -> hmac.HMAC:
        """HMAC-SHA-256 whose value of a content is the name of its object.

        Keyed, so that nobody can tell from the names whether a known file is in the backup.
        """
        return hmac.new(self.derive(b"names"), digestmod=hashlib.sha256)


class Keyring:
    """The first key writes; all of them read."""

    def __init__(self, keys: list[Key]) -> None:
        if not keys:
            raise BackupNotConfiguredError
        self.first = keys[0]
        self._by_id = {key.id: key for key in keys}

    @classmethod
    def configured(cls) -> Keyring:
        """The keys of ``BACKUP_KEYS``.

        Raises ``BackupNotConfiguredError`` without any, ``BackupKeysInvalidError``.
        """
        keys = []
        for number, text in enumerate(settings.BACKUP_KEYS, 1):
            if (secret := key_secret(text)) is None:
                raise BackupKeysInvalidError(number=number)
            keys.append(Key(secret))
        return cls(keys)

    def get(self, key_id: str) -> Key:
        """The key that is known by ``key_id``, or ``BackupKeyUnknownError``."""
        try:
            return self._by_id[key_id]
        except KeyError:
            raise BackupKeyUnknownError(key=key_id) from None


def new_key() -> str:
    """A new random key as it is written into ``BACKUP_KEYS``."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode().rstrip("=")


def key_secret(text: str) -> bytes | None:
    """The secret of a key as :func:`new_key` writes it; ``None`` when it is none."""
    text = text.strip().rstrip("=")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == KEY_BYTES else None
