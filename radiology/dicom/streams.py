"""What a compressed stream says of itself, read without decoding it, in bounded time.

JPEG: ISO/IEC 10918-1, annex B; JPEG-LS: ISO/IEC 14495-1, annex C; JPEG 2000: ISO/IEC
15444-1, annex A (HTJ2K: 15444-15); RLE: DICOM PS3.5, annex G.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from radiology.errors import TruncatedError, UndecodableError

from .syntaxes import JPEG, JPEG_2000

SOI, SOS, COM = 0xD8, 0xDA, 0xFE
EOI = b"\xff\xd9"
STAND_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
# DHT, DAC, DQT, DRI, JPEG-LS parameters, applications and comments: all that may stand before
# the scan beside the frame. Decoders differ in what they make of anything else.
SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xF8, COM, SOS, *range(0xE0, 0xF0)})
BASELINE, EXTENDED, LOSSLESS, JPEG_LS_FRAME = 0xC0, 0xC1, 0xC3, 0xF7
J2K_START = b"\xff\x4f\xff\x51"
J2K_COM, J2K_TILE = 0x64, 0x90
J2K_SOT = b"\xff\x90"
# A real header has some twenty, a real image of tiles some hundred: a stream of nothing but empty
# segments or fill bytes would keep the web process for many seconds.
MAX_MARKERS = 4096
MAX_TILE_PARTS = 65_536


class StreamFacts(NamedTuple):
    """Size and depth of the image in a stream.

    ``body``: where its coded data begin; ``end``: where it ends, whatever follows.
    """

    rows: int
    columns: int
    precision: int
    components: int
    body: int
    end: int


def stream_facts(stream: bytes, transfer_syntax: str) -> StreamFacts:
    """The facts of a JPEG, JPEG-LS or JPEG 2000 stream.

    Raises ``UndecodableError`` for a stream that isn't of ``transfer_syntax``, and
    ``TruncatedError`` for one that ends early.
    """
    try:
        if transfer_syntax in JPEG_2000:
            return _jpeg_2000_facts(stream)
        return _jpeg_facts(stream, _frames_of(transfer_syntax))
    except (struct.error, IndexError):
        raise TruncatedError from None


def without_comments(stream: bytes, transfer_syntax: str, facts: StreamFacts) -> bytes:
    """``stream`` without application and comment segments, and with nothing after its end.

    They can hold a name or a whole second picture, and nothing that decoding grey needs.
    """
    return b"".join(parts_without_comments(stream, transfer_syntax, facts))


def parts_without_comments(
    stream: bytes, transfer_syntax: str, facts: StreamFacts
) -> list[memoryview]:
    """The parts of :func:`without_comments`, not copied: a stream may have 64 MiB."""
    view = memoryview(stream)
    kept, position = [view[:2]], 2
    is_jpeg_2000 = transfer_syntax in JPEG_2000
    while position < facts.body:
        marker = stream[position + 1]
        if not is_jpeg_2000 and marker in (0xFF, *STAND_ALONE):
            position += 1 if marker == 0xFF else 2
            continue
        following = position + 2 + struct.unpack_from(">H", stream, position + 2)[0]
        is_comment = marker == J2K_COM if is_jpeg_2000 else marker == COM or 0xE0 <= marker <= 0xEF
        if not is_comment:
            kept.append(view[position:following])
        position = following
    return [*kept, view[position : facts.end]]


def _frames_of(transfer_syntax: str) -> frozenset[int]:
    if transfer_syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        return frozenset({BASELINE, EXTENDED})
    return frozenset({LOSSLESS}) if transfer_syntax in JPEG else frozenset({JPEG_LS_FRAME})


def _jpeg_facts(stream: bytes, frames: frozenset[int]) -> StreamFacts:
    """Walk the marker segments from SOI to SOS."""
    if stream[:2] != bytes((0xFF, SOI)):
        raise UndecodableError
    position, found = 2, None
    for _ in range(MAX_MARKERS):
        if stream[position] != 0xFF:
            raise UndecodableError
        marker = stream[position + 1]
        if marker == 0xFF:  # Fill byte.
            position += 1
        elif marker in STAND_ALONE:
            position += 2
        else:
            length = struct.unpack_from(">H", stream, position + 2)[0]
            if length < 2:
                raise UndecodableError
            if marker in FRAMES:
                if marker not in frames or found:
                    raise UndecodableError
                found = struct.unpack_from(">BHHB", stream, position + 4)
            elif marker not in SEGMENTS:
                raise UndecodableError
            if marker == SOS:
                break
            position += 2 + length
    else:
        raise UndecodableError
    if found is None:
        raise UndecodableError
    precision, rows, columns, components = found
    # The first end marker: coded data can't hold one (B.1.1.5), and what follows is another file.
    end = stream.find(EOI, position + 2 + length)
    if end < 0:
        raise TruncatedError
    return StreamFacts(rows, columns, precision, components, position, end + 2)


def _jpeg_2000_facts(stream: bytes) -> StreamFacts:
    """Read SIZ, then walk the main header to the first tile-part."""
    if stream[:4] != J2K_START:
        raise UndecodableError
    width, height, left, top, *tiling = struct.unpack_from(">8L", stream, 8)
    components, depth = struct.unpack_from(">HB", stream, 40)
    position = 2
    for _ in range(MAX_MARKERS):
        if stream[position + 1] == J2K_TILE:
            break
        length = struct.unpack_from(">H", stream, position + 2)[0]
        if stream[position] != 0xFF or length < 2:
            raise UndecodableError
        position += 2 + length
    else:
        raise UndecodableError
    end = _tiles_end(stream, position, _tile_count(width, height, *tiling))
    return StreamFacts(height - top, width - left, (depth & 0x7F) + 1, components, position, end)


def _tile_count(width: int, height: int, across: int, down: int, left: int, top: int) -> int:
    """How many tiles the grid has (ISO/IEC 15444-1, B.3)."""
    if not (across and down) or left >= width or top >= height:
        raise UndecodableError
    return -((left - width) // across) * -((top - height) // down)


def _tiles_end(stream: bytes, position: int, count: int) -> int:
    """Where the last tile-part ends (A.4.2): each must lead to the next, and no tile be missing.

    A decoder may fill in what isn't there, or read on where something is left out.
    """
    seen = set()
    for _ in range(MAX_TILE_PARTS):
        if stream[position : position + 2] != J2K_SOT:
            break
        size, tile, length = struct.unpack_from(">HHL", stream, position + 2)
        if size != 10 or tile >= count or 0 < length < 14:
            raise UndecodableError
        seen.add(tile)
        # Without a length it is the last, and reaches to the end marker.
        position = position + length if length else stream.rfind(EOI, position)
        if not 0 < position < len(stream) - 1:
            raise TruncatedError
    if len(seen) != count or stream[position : position + 2] != EOI:
        raise UndecodableError
    return position + 2


def check_rle(header: bytes, size: int, bytes_per_pixel: int) -> None:
    """A header's segments must be as many as a pixel has bytes, and lie in ``size`` bytes.

    ``header``: the first 64 bytes. Raises ``TruncatedError``, ``UndecodableError``.
    """
    if len(header) < 64:
        raise TruncatedError
    count, *offsets = struct.unpack("<16L", header)
    offsets = offsets[:count]
    if count != bytes_per_pixel or offsets[0] != 64 or offsets != sorted(set(offsets)):
        raise UndecodableError
    if offsets[-1] >= size:
        raise TruncatedError
