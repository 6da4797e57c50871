"""The text of a token, and what the database keeps of it.

A token is ``pna_``, 256 random bits as 64 hexadecimal digits, and 8 digits of their CRC-32: the
regular expression ``pna_[0-9a-f]{72}`` finds one that got into a repository or a log, and the
checksum tells it from what only looks like one, so that junk costs no query.

The database keeps the SHA-256. Slow, salted hashes are for passwords, which people choose from
few; nobody guesses 256 random bits however fast the hash is, and a fast one lets each request be
checked. Rows are found by the hash through an index. How long that takes may tell how a stored
hash begins, which is of no use: a text with a given hash can't be made.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

PREFIX = "pna_"
SECRET_BYTES = 32
# How much of a token is shown again, so that its owner knows it: 32 of the 256 bits.
HINT_LENGTH = len(PREFIX) + 8
PATTERN = re.compile(rf"{PREFIX}([0-9a-f]{{64}})([0-9a-f]{{8}})", re.ASCII)
# Those made before tokens had scopes: no prefix, kept as SHA-512. They end by themselves.
EARLIER = re.compile(r"[0-9a-f]{64}", re.ASCII)


def token_text() -> str:
    """A new token."""
    secret = secrets.token_hex(SECRET_BYTES)
    return f"{PREFIX}{secret}{_checksum(secret)}"


def token_digest(text: str) -> str | None:
    """What the database keeps of ``text``; ``None`` for what can be no token."""
    if found := PATTERN.fullmatch(text):
        secret, checksum = found.groups()
        return hashlib.sha256(text.encode()).hexdigest() if checksum == _checksum(secret) else None
    if EARLIER.fullmatch(text):
        return hashlib.sha512(text.encode()).hexdigest()
    return None


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"
