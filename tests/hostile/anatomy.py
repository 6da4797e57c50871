"""Where the elements of a sound DICOM file lie, by pydicom's own reader."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from pydicom import Dataset
from pydicom.filereader import data_element_generator
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from radiology.dicom.structure import LONG_VRS as LONG_VR_BYTES

LONG_VRS = frozenset(vr.decode() for vr in LONG_VR_BYTES)
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010


class Part(NamedTuple):
    """One element: ``start`` of its header, ``value`` and ``end`` as offsets.

    ``vr`` is empty for implicit VR; ``end`` of an element of undefined length is where what is
    known of it ends.
    """

    tag: int
    vr: str
    start: int
    value: int
    end: int
    undefined: bool
    depth: int

    @property
    def length_at(self) -> tuple[int, int]:
        """Offset and size in bytes of the length in the header."""
        size = 2 if self.vr and self.vr not in LONG_VRS else 4
        return self.value - size, size


@dataclass(frozen=True)
class Anatomy:
    """A sound file taken apart. ``data`` is inflated; :meth:`file` packs a deflated one again."""

    name: str
    data: bytes
    syntax: str
    body: int
    parts: tuple[Part, ...]

    @property
    def order(self) -> str:
        return ">" if self.syntax == ExplicitVRBigEndian else "<"

    @property
    def implicit(self) -> bool:
        return self.syntax == ImplicitVRLittleEndian

    @property
    def pixels(self) -> Part:
        return self.parts[-1]

    def part(self, tag: int) -> Part | None:
        return next((part for part in self.parts if part.tag == tag and not part.depth), None)

    def packed(self, data: bytes) -> bytes:
        """``data``, a changed copy of :attr:`data`, as the file that would hold it."""
        if self.syntax != DeflatedExplicitVRLittleEndian:
            return data
        packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
        return data[: self.body] + packer.compress(data[self.body :]) + packer.flush()


def dissect(name: str, content: bytes) -> Anatomy:
    """Take ``content`` apart: a Part 10 file with preamble that pydicom reads to its pixels."""
    meta = list(_elements(content, 132, implicit=False, order="<", until=0x00030000))
    body = max(part.end for part in meta)
    syntax = next(
        content[part.value : part.end].rstrip(b"\0 ").decode()
        for part in meta
        if part.tag == 0x00020010
    )
    if syntax == DeflatedExplicitVRLittleEndian:
        content = content[:body] + zlib.decompress(content[body:], -zlib.MAX_WBITS)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    rest = _elements(content, body, implicit=syntax == ImplicitVRLittleEndian, order=order)
    parts = tuple(sorted((*meta, *rest), key=lambda part: part.start))
    assert parts[-1].tag == PIXEL_DATA, name
    return Anatomy(name, content, syntax, body, parts)


def _elements(content: bytes, offset: int, *, implicit: bool, order: str, until=None):
    file = io.BytesIO(content)
    file.seek(offset)

    def stop(tag, _vr, _length) -> bool:
        return tag > (until or PIXEL_DATA)

    little = order == "<"
    for raw in data_element_generator(file, implicit, little, stop_when=stop):
        yield from _parts(raw, content, implicit=implicit, depth=0)


def _parts(raw, content: bytes, *, implicit: bool, depth: int):
    value = getattr(raw, "value_tell", None) or getattr(raw, "file_tell", None)
    if value is None:
        return
    vr = "" if implicit else (str(raw.VR) if raw.VR else "UN")
    start = value - (8 if not vr or vr not in LONG_VRS else 12)
    if struct.unpack_from("<H", content, start)[0] not in (raw.tag >> 16, _swapped(raw.tag >> 16)):
        return  # An offset within a copy of pydicom's: not one of the file.
    undefined = bool(getattr(raw, "is_undefined_length", False)) or (
        getattr(raw, "length", 0) == UNDEFINED
    )
    items = raw.value if isinstance(raw.value, list) or hasattr(raw.value, "__iter__") else ()
    end = value
    if not undefined:
        end = value + raw.length if hasattr(raw, "length") else value
    elif raw.tag == PIXEL_DATA:
        end = len(content)
    yield Part(int(raw.tag), vr, start, value, end, undefined, depth)
    if undefined and raw.tag != PIXEL_DATA:
        for item in items:
            if isinstance(item, Dataset):
                for inner in item._dict.values():
                    yield from _parts(inner, content, implicit=implicit, depth=depth + 1)


def _swapped(number: int) -> int:
    return (number & 0xFF) << 8 | number >> 8
