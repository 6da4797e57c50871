"""The bytes of one object: compressed where that helps, encrypted, and whole or refused.

A sealed object is::

    "PNBK" 1 | key id (8 bytes) | salt (32) | chunk | chunk | ... | last chunk

Each object has a key of its own (HKDF-SHA-256 of the master key with the salt). A chunk is
1 MiB of plain text (the last one may be shorter) under AES-256-GCM; its nonce is its number
(11 bytes, big-endian) and whether it is the last (1 byte), so that chunks can't be cut off,
left out, repeated or put in another order. That is the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015), as the file format age has it. The header and the purpose are
authenticated with every chunk. The plain text begins with ``z`` (a zlib stream follows) or
``r`` (the content as it is).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import ID_BYTES, Key, Keyring

MAGIC = b"PNBK\x01"
SALT = 32
HEADER = len(MAGIC) + ID_BYTES + SALT
CHUNK = 1024 * 1024
TAG = 16
LEVEL = 3
# A first piece that shrinks by less than this is compressed already.
WORTH_COMPRESSING = 0.95
SAMPLE = 64 * 1024


class SealBrokenError(Exception):
    """Not what was written: cut, changed, or of another object."""


class Sealer:
    """Writes one sealed object into ``out``: ``write`` any number of times, ``finish`` once."""

    def __init__(self, out: BinaryIO, key: Key, purpose: bytes) -> None:
        salt = os.urandom(SALT)
        self.header = MAGIC + bytes.fromhex(key.id) + salt
        self.out, self.associated = out, self.header + purpose
        self.cipher = AESGCM(key.derive(b"content", salt=salt))
        self.pending, self.number, self.compressor = bytearray(), 0, None
        self.is_begun = False
        self.written = out.write(self.header)

    def write(self, data: bytes) -> None:
        if not self.is_begun:
            self._begin(data)
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            self.pending += self.compressor.compress(piece) if self.compressor else piece
            while len(self.pending) > CHUNK:
                self._chunk(bytes(self.pending[:CHUNK]), last=False)
                del self.pending[:CHUNK]

    def finish(self) -> int:
        """Write the last chunk; the number of bytes of the sealed object."""
        if not self.is_begun:
            self._begin(b"")
        if self.compressor:
            self.pending += self.compressor.flush()
        while len(self.pending) > CHUNK:
            self._chunk(bytes(self.pending[:CHUNK]), last=False)
            del self.pending[:CHUNK]
        self._chunk(bytes(self.pending), last=True)
        return self.written

    def _begin(self, data: bytes) -> None:
        self.is_begun = True
        sample = data[:SAMPLE]
        if sample and len(zlib.compress(sample, LEVEL)) < WORTH_COMPRESSING * len(sample):
            self.compressor = zlib.compressobj(LEVEL)
        self.pending += b"z" if self.compressor else b"r"

    def _chunk(self, plain: bytes, *, last: bool) -> None:
        sealed = self.cipher.encrypt(_nonce(self.number, last), plain, self.associated)
        self.number += 1
        self.written += self.out.write(sealed)


def unseal(file: BinaryIO, keyring: Keyring, purpose: bytes) -> tuple[Key, Iterator[bytes]]:
    """The key of a sealed object, and its content: pieces of at most ``CHUNK`` bytes.

    Raises :class:`SealBrokenError` (at the latest after the last piece) and
    ``BackupKeyUnknownError``.
    """
    header = _read(file, HEADER)
    if len(header) < HEADER or not header.startswith(MAGIC):
        raise SealBrokenError
    key = keyring.get(header[len(MAGIC) : len(MAGIC) + ID_BYTES].hex())
    cipher = AESGCM(key.derive(b"content", salt=header[-SALT:]))
    return key, _content(_plain(file, cipher, header + purpose))


def _content(plain: Iterator[bytes]) -> Iterator[bytes]:
    first = next(plain)
    if first[:1] == b"r":
        yield first[1:]
        yield from plain
    elif first[:1] == b"z":
        yield from _inflated(first[1:], plain)
    else:
        raise SealBrokenError


def _plain(file: BinaryIO, cipher: AESGCM, associated: bytes) -> Iterator[bytes]:
    number, piece = 0, _read(file, CHUNK + TAG)
    while True:
        following = _read(file, CHUNK + TAG) if len(piece) == CHUNK + TAG else b""
        try:
            yield cipher.decrypt(_nonce(number, not following), piece, associated)
        except (InvalidTag, ValueError):  # ValueError: shorter than a tag
            raise SealBrokenError from None
        if not following:
            return
        number, piece = number + 1, following


def _inflated(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    try:
        for piece in chain([first], rest):
            waiting = piece
            while waiting:
                yield inflater.decompress(waiting, CHUNK)
                waiting = inflater.unconsumed_tail
        while tail := inflater.decompress(b"", CHUNK):
            yield tail
    except zlib.error:
        raise SealBrokenError from None
    if not inflater.eof:
        raise SealBrokenError


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _read(file: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end of the file: a storage may give less at a time."""
    parts, left = [], size
    while left:
        part = file.read(left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
