"""A local file of breached passwords, searched where it lies.

Format: "Pwned Passwords" as its downloader writes it into one file: a line is
``SHA1:COUNT`` (40 hexadecimal digits), sorted by the hash, ended by CR LF or LF.
The file has tens of gigabytes: a look-up reads some forty pieces of 128 bytes of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager

LINE = re.compile(rb"([0-9A-Fa-f]{40}):([0-9]{1,12})\r?")
# Longer than any line: so a piece that begins this far before a byte holds the line's start.
LONGEST = 64
SAMPLES = 256


class BreachedFileError(Exception):
    """The file can't be used; the text says why and holds nothing of the file."""


def breached_count(path: str, password: str) -> int:
    """How often ``password`` stands in the breaches of the file at ``path``; 0: it doesn't.

    Raises BreachedFileError when the file can't be read or a line met is none.
    """
    # The file is keyed by SHA-1; nothing is kept of it here.
    digest = hashlib.sha1(password.encode(errors="replace"), usedforsecurity=False)
    wanted = digest.hexdigest().upper().encode()
    with _opened(path) as (descriptor, size):
        low, high = 0, size
        while low < high:
            start, end, found, count = _line_at(descriptor, (low + high) // 2, size)
            if found == wanted:
                return count
            if found < wanted:
                low = end
            else:
                high = start
    return 0


def breached_file_check(path: str) -> bool:
    """Looks at lines all over the file: are they lines, and in order?

    Returns whether it reaches from the first hashes to the last ones: False for a file that
    was cut off. Raises BreachedFileError.
    """
    with _opened(path) as (descriptor, size):
        previous = first = b""
        for number in range(SAMPLES + 1):
            place = min(size - 1, size * number // SAMPLES)
            _start, end, found, _count = _line_at(descriptor, place, size)
            first = first or found
            if found < previous:
                raise BreachedFileError("it is not sorted by hash")
            previous = found
            if end < size and _line_at(descriptor, end, size)[2] <= found:
                raise BreachedFileError("it is not sorted by hash")
    return first[:1] == b"0" and previous[:1] == b"F"


@contextmanager
def _opened(path: str) -> Iterator[tuple[int, int]]:
    try:
        # Not blocking: a pipe by that name must not keep a sign-up waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise BreachedFileError("it is not a file")
            if not facts.st_size:
                raise BreachedFileError("it is empty")
            yield descriptor, facts.st_size
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise BreachedFileError(f"it can't be read ({type(error).__name__})") from error


def _line_at(descriptor: int, place: int, size: int) -> tuple[int, int, bytes, int]:
    """The line around the byte ``place``: its start, the next line's, its hash and count."""
    begin = max(0, place - LONGEST)
    piece = os.pread(descriptor, 2 * LONGEST, begin)
    at = place - begin
    start = piece.rfind(b"\n", 0, at) + 1
    end = piece.find(b"\n", at)
    if end < 0:
        end = len(piece)
    match = LINE.fullmatch(piece[start:end])
    if not match or (begin and not start):
        raise BreachedFileError("a line is not SHA1:COUNT")
    return begin + start, min(size, begin + end + 1), match[1].upper(), int(match[2])
