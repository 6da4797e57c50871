"""What libjpeg has to say of a stream that it decoded.

libjpeg decodes damaged data to the end, filling in grey, and counts that as a warning. Neither
OpenCV nor GDCM asks for its warnings: they stand on the process's standard error alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from radiology.errors import StorageUnavailableError, UndecodableError

# The warnings of jerror.h that mean that pixels are wrong: data that end too soon, are left
# over or make no sense. Others ("Invalid SOS parameters") are said of sound streams too.
DAMAGE = (b"Corrupt JPEG data", b"Premature end of JPEG file")
STANDARD_ERROR = 2

_one_at_a_time = threading.Lock()


@contextmanager
def damage_refused() -> Iterator[None]:
    """Raise :class:`UndecodableError` when libjpeg reports damage inside the block.

    What anything else writes to standard error meanwhile is written after the block. Raises
    ``StorageUnavailableError`` when there is no room to listen: nothing is decoded unheard.
    """
    with _one_at_a_time, ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(STANDARD_ERROR)
        except OSError as error:
            raise StorageUnavailableError from error
        if sys.stderr:
            sys.stderr.flush()
        try:
            os.dup2(said.fileno(), STANDARD_ERROR)
            yield
        finally:
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)
            said.seek(0)
            lines = said.read().splitlines(keepends=True)
            os.write(STANDARD_ERROR, b"".join(x for x in lines if not _by_libjpeg(x)))
        if any(line.startswith(DAMAGE) for line in lines):
            raise UndecodableError


def _by_libjpeg(line: bytes) -> bool:
    return line.startswith((*DAMAGE, b"Invalid SOS parameters", b"Unsupported JPEG data precision"))
