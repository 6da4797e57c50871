"""The bytes of one stored file: encrypted, readable from any place, and whole or refused.

A sealed file is::

    "PNFS" 1 | key id (8 bytes) | salt (32) | chunk | chunk | ... | last chunk

As the objects of a backup (``operations.backup.sealed``) it has a key of its own (HKDF-SHA-256
of the key with the salt), and its chunks are AES-256-GCM in the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizár, 2015): the nonce is a chunk's number and whether it is the last.
Chunks are 64 KiB of plain text, so that a part can be read without the rest. The header and
the file's name are authenticated with every chunk: no file can stand in another's place.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from operations.errors import FileDamagedError

from .keys import ID_BYTES, FileKey, FileKeyring

MAGIC = b"PNFS\x01"
SALT = 32
HEADER = len(MAGIC) + ID_BYTES + SALT
CHUNK = 64 * 1024
TAG = 16


def seal(pieces: Iterable[bytes], key: FileKey, name: str) -> Iterator[bytes]:
    """The sealed file of the content ``pieces`` (of any length), to be stored as ``name``."""
    salt = os.urandom(SALT)
    header = MAGIC + bytes.fromhex(key.id) + salt
    cipher, associated = AESGCM(key.derive(b"content", salt=salt)), header + name.encode()
    yield header
    pending, number = bytearray(), 0
    for piece in pieces:
        pending += piece
        while len(pending) > CHUNK:
            chunk = bytes(pending[:CHUNK])
            yield cipher.encrypt(_nonce(number, last=False), chunk, associated)
            del pending[:CHUNK]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), bytes(pending), associated)


def key_id_of(header: bytes) -> str:
    """The key that sealed the file that begins so; empty for one that is not sealed."""
    if not header.startswith(MAGIC) or len(header) < HEADER:
        return ""
    return header[len(MAGIC) : len(MAGIC) + ID_BYTES].hex()


def plain_size(sealed: int) -> int:
    """The length of the content of a sealed file of ``sealed`` bytes."""
    body = sealed - HEADER
    return body - TAG * max(1, -(-body // (CHUNK + TAG)))


class Unsealed(io.RawIOBase):
    """The content of the sealed ``file``, seekable. Holds one chunk.

    Opening and reading raise ``FileDamagedError``, opening also ``FileKeyUnknownError``.
    """

    def __init__(self, file: BinaryIO, keyring: FileKeyring, name: str) -> None:
        super().__init__()
        self._file = file
        header = file.read(HEADER)
        key = keyring.get(key_id_of(header))
        self._cipher = AESGCM(key.derive(b"content", salt=header[-SALT:]))
        self._associated = header + name.encode()
        sealed = file.seek(0, io.SEEK_END)
        self._size, self._last = plain_size(sealed), (sealed - HEADER - 1) // (CHUNK + TAG)
        # The last chunk has content, but for an empty file's only one: else it was cut.
        if self._size < 0 or (self._last and self._size <= self._last * CHUNK):
            raise FileDamagedError
        self._position, self._number, self._chunk = 0, -1, b""
        self._load(0)  # what was exchanged is refused before a byte of it is sent

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a negative place in a file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer) -> int:
        if self._position >= self._size or not len(buffer):
            return 0
        number, at = divmod(self._position, CHUNK)
        if number != self._number:
            self._load(number)
        data = self._chunk[at : at + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _load(self, number: int) -> None:
        self._file.seek(HEADER + number * (CHUNK + TAG))
        sealed = self._file.read(CHUNK + TAG)
        try:
            self._chunk = self._cipher.decrypt(
                _nonce(number, last=number == self._last), sealed, self._associated
            )
        except (InvalidTag, ValueError):  # ValueError: shorter than a tag
            raise FileDamagedError from None
        self._number = number

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
