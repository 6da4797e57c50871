"""Time-ordered random identifiers for primary keys."""

from __future__ import annotations

import secrets
import time
import uuid


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562, sections 5.7 and 6.2, method 3).

    48 bits of Unix milliseconds, 12 bits of the fraction of the millisecond, 62 random
    bits: rows made one after the other lie side by side in the index and sort by time,
    and nobody can guess the next identifier.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    head = milliseconds << 16 | 0x7 << 12 | fraction
    return uuid.UUID(int=head << 64 | 0b10 << 62 | secrets.randbits(62))
