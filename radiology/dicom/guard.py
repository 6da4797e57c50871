"""Where the blame lies when a parser breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from billiard.exceptions import SoftTimeLimitExceeded

from pneumoniapp.errors import CodedError
from radiology.errors import MalformedError

# What says nothing about the file: a disk, a full memory, a time limit.
_NOT_THE_FILE = (CodedError, MemoryError, SoftTimeLimitExceeded)


@contextmanager
def file_blamed(
    error: type[CodedError] = MalformedError, *, reads_disk: bool = True
) -> Iterator[None]:
    """Whatever a hostile file makes a library raise inside the block becomes ``error``.

    ``reads_disk``: an ``OSError`` inside may be the disk's fault, and passes.
    """
    try:
        yield
    except _NOT_THE_FILE:
        raise
    except OSError as cause:
        if reads_disk:
            raise
        raise error from cause
    except Exception as cause:
        raise error from cause
    except BaseException as cause:
        # A panic inside a decoder written in Rust is no Exception.
        if type(cause).__name__ != "PanicException":
            raise
        raise error from cause
