"""Whether the pixels exist and fit their header, without decoding them. PS3.5, 8 and A.4."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from radiology.errors import (
    MalformedError,
    NoPixelsError,
    NotGreyError,
    PixelSizeMismatchError,
    TruncatedError,
    UndecodableError,
)

from .streams import StreamFacts, check_rle, stream_facts
from .structure import ITEM, SEQUENCE_END, OutOfBytes, Source, Structure
from .syntaxes import ENCAPSULATED, RLE

# One frame seldom has more than one fragment.
MAX_FRAGMENTS = 4096


@dataclass(frozen=True, slots=True)
class PixelModule:
    """What the header says of the pixels: the part of PS3.3, C.7.6.3 that shapes them."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool

    @property
    def size(self) -> int:
        """Bytes of the uncompressed pixels."""
        return self.rows * self.columns * self.bits_allocated // 8


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where the pixels lie in ``source``.

    Uncompressed: ``start`` and ``length``. Compressed: ``fragments``, and what their stream
    says (``facts``; RLE says nothing). ``sha256`` is of the value of Pixel Data (7FE0,0010)
    as received, without the sequence delimiter.
    """

    source: Source
    start: int
    length: int
    sha256: str
    fragments: tuple[tuple[int, int], ...] = ()
    facts: StreamFacts | None = None

    def stream(self) -> bytes:
        """The compressed stream, its fragments joined."""
        return b"".join(self.source.read(*fragment) for fragment in self.fragments)


def check_pixels(structure: Structure, module: PixelModule) -> Pixels:
    """Prove that the pixels are there and of the size that ``module`` announces.

    Raises ``NoPixelsError``, ``TruncatedError``, ``PixelSizeMismatchError``,
    ``MalformedError``, ``NotGreyError``, ``UndecodableError``.
    """
    element = structure.pixels
    if element is None or (element.length == 0 and not element.undefined):
        raise NoPixelsError
    if element.undefined != (structure.transfer_syntax in ENCAPSULATED):
        raise MalformedError
    source = structure.source
    if element.undefined:
        return _check_encapsulated(structure, module)
    if element.length not in (module.size, module.size + module.size % 2):
        raise PixelSizeMismatchError
    return Pixels(
        source, element.value, element.length, _sha256(source, element.value, element.length)
    )


def _check_encapsulated(structure: Structure, module: PixelModule) -> Pixels:
    source, start = structure.source, structure.pixels.value
    fragments, end = _fragments(source, start)
    if not any(length for _, length in fragments):
        raise NoPixelsError
    pixels = Pixels(
        source, start, end - start, _sha256(source, start, end - start), tuple(fragments)
    )
    if structure.transfer_syntax in RLE:
        if len(fragments) != 1:
            raise MalformedError
        offset, length = fragments[0]
        check_rle(source.read(offset, min(64, length)), length, module.bits_allocated // 8)
        return pixels
    facts = stream_facts(pixels.stream(), structure.transfer_syntax)
    if facts.components != 1:
        raise NotGreyError
    if (facts.rows, facts.columns) != (module.rows, module.columns):
        raise PixelSizeMismatchError
    if not 2 <= facts.precision <= module.bits_allocated:
        raise UndecodableError
    return Pixels(source, start, end - start, pixels.sha256, pixels.fragments, facts)


def _fragments(source: Source, offset: int) -> tuple[list[tuple[int, int]], int]:
    """(offset, length) of each fragment, less the basic offset table; where the value ends."""
    found: list[tuple[int, int]] = []
    try:
        while True:
            group, number, length = struct.unpack("<HHL", source.read(offset, 8))
            tag = group << 16 | number
            if tag == SEQUENCE_END:
                return found[1:], offset
            if tag != ITEM or len(found) > MAX_FRAGMENTS:
                raise MalformedError
            if offset + 8 + length > source.size:
                raise TruncatedError
            found.append((offset + 8, length))
            offset += 8 + length
    except OutOfBytes:
        raise TruncatedError from None


def _sha256(source: Source, offset: int, length: int) -> str:
    digest = hashlib.sha256()
    for piece in source.chunks(offset, length):
        digest.update(piece)
    return digest.hexdigest()
