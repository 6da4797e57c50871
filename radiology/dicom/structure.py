"""Walks the elements of a DICOM file that may be hostile, in bounded time and memory.

No length in the file is believed before it is compared with what holds it: the file,
the sequence, the item. Values are not read here but those of the file meta information.
Everything after the pixels is left alone. DICOM PS3.5, 7.1 (elements), 7.5 (sequences),
A.5 (deflated); PS3.10, 7.1 (file meta information).
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from django.conf import settings
from pydicom.datadict import dictionary_VR
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from radiology.errors import (
    DeflateRatioError,
    DicomDirectoryError,
    EmptyFileError,
    FileTooLargeError,
    MalformedError,
    NotDicomError,
    TransferSyntaxUnsupportedError,
    TruncatedError,
)

from .syntaxes import TRANSFER_SYNTAXES, uid_name

MIB = 1024 * 1024
# A real header has a few hundred elements, and sequences in sequences five deep at most.
MAX_ELEMENTS = 20_000
MAX_DEPTH = 16
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
# Float and double float pixels: no radiograph has them.
OTHER_PIXELS = (0x7FE00008, 0x7FE00009)
MEDIA_STORAGE_SOP_CLASS, TRANSFER_SYNTAX_UID = 0x00020002, 0x00020010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
# The elements that a data set without file meta information can begin with.
FIRST_ELEMENTS = frozenset({0x0000, 0x0001, 0x0005, 0x0006, 0x0008, 0x0012, 0x0016, 0x0018})
_WINDOW = 64 * 1024


class OutOfBytes(Exception):  # noqa: N818
    """The bytes ended inside an element: an error, or the end of a file's first part."""


class Source:
    """Random access to a file's bytes with one small buffer."""

    def __init__(self, file: BinaryIO, size: int | None = None) -> None:
        self.file = file
        if size is None:
            size = file.seek(0, io.SEEK_END)
            # Django's File.seek answers nothing.
            size = file.tell() if size is None else size
        self.size = size
        self._start, self._buffer = 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes at ``offset``; raises :class:`OutOfBytes` when they aren't there."""
        if offset + length > self.size:
            raise OutOfBytes
        start = offset - self._start
        if start < 0 or start + length > len(self._buffer):
            self.file.seek(offset)
            self._buffer = self.file.read(max(length, _WINDOW))
            self._start, start = offset, 0
            if len(self._buffer) < length:
                raise OutOfBytes
        return self._buffer[start : start + length]

    def chunks(self, offset: int, length: int, size: int = MIB):
        """The bytes from ``offset`` in pieces of at most ``size``."""
        while length:
            piece = self.read(offset, min(size, length))
            yield piece
            offset += len(piece)
            length -= len(piece)


@dataclass(frozen=True, slots=True)
class Element:
    """Where one element lies: ``start`` of its header, ``value`` and ``end`` as offsets.

    ``vr`` is empty for implicit VR. ``undefined``: its length was not given.
    """

    tag: int
    vr: str
    start: int
    value: int
    end: int
    undefined: bool = False

    @property
    def length(self) -> int:
        return self.end - self.value


@dataclass(slots=True)
class Structure:
    """What a walk found: the top-level elements before the pixels, and the pixels.

    ``source`` holds the data set: the file itself or, for a deflated one, what came out.
    ``pixels.end`` of encapsulated pixels is not known yet and equals ``pixels.value``.
    """

    source: Source
    transfer_syntax: str
    elements: dict[int, Element] = field(default_factory=dict)
    pixels: Element | None = None
    complete: bool = True

    @property
    def implicit(self) -> bool:
        return self.transfer_syntax == ImplicitVRLittleEndian

    @property
    def little(self) -> bool:
        return self.transfer_syntax != ExplicitVRBigEndian


def scan(file: BinaryIO, *, partial: bool = False) -> Structure:
    """Walk ``file`` up to its pixels.

    ``partial``: the file may end anywhere (the first bytes of one); ``complete`` then says
    whether everything before the pixels was there.

    Raises ``EmptyFileError``, ``FileTooLargeError``, ``NotDicomError``,
    ``DicomDirectoryError``, ``MalformedError``, ``TruncatedError``,
    ``TransferSyntaxUnsupportedError``, ``DeflateRatioError``.
    """
    source = Source(file, getattr(file, "size", None))
    if source.size == 0:
        raise EmptyFileError
    if source.size > settings.RADIOGRAPH_MAX_BYTES:
        raise FileTooLargeError(limit=settings.RADIOGRAPH_MAX_BYTES // MIB)
    offset, syntax = _file_meta(source)
    if syntax not in TRANSFER_SYNTAXES:
        raise TransferSyntaxUnsupportedError(found=uid_name(syntax))
    if syntax == DeflatedExplicitVRLittleEndian:
        source, offset = _inflated(source, offset, partial=partial), 0
    structure = Structure(source, syntax)
    try:
        _Walk(structure).data_set(offset)
    except OutOfBytes:
        if not partial:
            raise TruncatedError from None
    structure.complete = not partial or structure.pixels is not None
    return structure


def _file_meta(source: Source) -> tuple[int, str]:
    """Where the data set begins, and its transfer syntax."""
    head = source.read(0, min(source.size, 132))
    if head[128:] == b"DICM":
        offset = 132
    elif head[:4] == b"DICM":
        offset = 4
    elif head[:6] == b"\x02\x00\x00\x00UL":
        offset = 0
    else:
        return 0, _bare_transfer_syntax(head)
    syntax = ""
    try:
        while source.read(offset, 2) == b"\x02\x00":
            element = _explicit(source, offset, "<")
            if element.undefined:
                raise MalformedError
            if element.tag in (MEDIA_STORAGE_SOP_CLASS, TRANSFER_SYNTAX_UID):
                value = _uid(source.read(element.value, min(element.length, 66)))
                if value == MediaStorageDirectoryStorage:
                    raise DicomDirectoryError
                if element.tag == TRANSFER_SYNTAX_UID:
                    syntax = value
            offset = element.end
    except OutOfBytes:
        raise TruncatedError from None
    if not syntax:
        raise MalformedError
    return offset, syntax


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _bare_transfer_syntax(head: bytes) -> str:
    """The transfer syntax of a data set without file meta information.

    Its first element must be one that a data set can begin with, with a length that fits;
    only uncompressed little endian can be meant (PS3.10, 7.1 demands the rest be written).
    """
    if len(head) >= 16:
        group, element, length = struct.unpack_from("<HHL", head)
        if group == 0x0008 and element in FIRST_ELEMENTS:
            if head[4:6] in SHORT_VRS and struct.unpack_from("<H", head, 6)[0] <= 256:
                return ExplicitVRLittleEndian
            if length <= 256:
                return ImplicitVRLittleEndian
    raise NotDicomError


def _inflated(source: Source, offset: int, *, partial: bool) -> Source:
    """The inflated data set, counted while it grows."""
    room = settings.RADIOGRAPH_MAX_BYTES
    ratio = settings.RADIOGRAPH_MAX_DEFLATE_RATIO
    room = min(room, ratio * max(source.size - offset, 1024))
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    out = io.BytesIO()
    try:
        for piece in source.chunks(offset, source.size - offset):
            data = piece
            while data and not inflater.eof:
                out.write(inflater.decompress(data, MIB))
                if out.tell() > room:
                    raise DeflateRatioError
                data = inflater.unconsumed_tail
    except zlib.error:
        raise MalformedError from None
    if not inflater.eof and not partial:
        raise TruncatedError
    return Source(out, out.tell())


def _explicit(source: Source, offset: int, order: str) -> Element:
    """The element at ``offset``, in explicit VR; its end is checked against the file alone."""
    head = source.read(offset, 8)
    group, number, vr, short = struct.unpack(f"{order}HH2sH", head)
    tag = group << 16 | number
    if group == 0xFFFE:
        length = struct.unpack_from(f"{order}L", head, 4)[0]
        return Element(tag, "", offset, offset + 8, _end(offset + 8, length), length == UNDEFINED)
    if vr in SHORT_VRS:
        return Element(tag, vr.decode(), offset, offset + 8, offset + 8 + short)
    if vr not in LONG_VRS:
        raise MalformedError
    length = struct.unpack(f"{order}L", source.read(offset + 8, 4))[0]
    value = offset + 12
    return Element(tag, vr.decode(), offset, value, _end(value, length), length == UNDEFINED)


def _implicit(source: Source, offset: int) -> Element:
    group, number, length = struct.unpack("<HHL", source.read(offset, 8))
    tag, value = group << 16 | number, offset + 8
    return Element(tag, "", offset, value, _end(value, length), length == UNDEFINED)


def _end(value: int, length: int) -> int:
    return value if length == UNDEFINED else value + length


class _Walk:
    """One walk over a data set; counts elements over all depths."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.source = structure.source
        self.order = "<" if structure.little else ">"
        self.left = MAX_ELEMENTS

    def element(self, offset: int, *, implicit: bool) -> Element:
        self.left -= 1
        if self.left < 0:
            raise MalformedError
        if implicit:
            return _implicit(self.source, offset)
        return _explicit(self.source, offset, self.order)

    def data_set(self, offset: int) -> None:
        structure, previous = self.structure, 0
        while offset < self.source.size:
            element = self.element(offset, implicit=structure.implicit)
            # Ascending order (PS3.5, 7.1) also rules out the same element twice.
            if element.tag <= previous or element.tag in OTHER_PIXELS:
                raise MalformedError
            previous = element.tag
            if element.tag == PIXEL_DATA:
                structure.pixels = element
                if element.end > self.source.size:
                    raise OutOfBytes
                return
            if element.undefined:
                element = self.sequence(element)
            if element.end > self.source.size:
                # Everything up to here may be used when only the first part was sent.
                raise OutOfBytes
            structure.elements[element.tag] = element
            offset = element.end

    def sequence(self, element: Element) -> Element:
        """``element``, of undefined length, with the end that its items lead to.

        A stack of (is it an item, implicit VR), not recursion; whatever has a defined
        length is stepped over whole.
        """
        if not self._may_be_undefined(element):
            raise MalformedError
        offset = element.value
        stack = [(False, self._implicit_inside(element, self.structure.implicit))]
        while stack:
            is_item, implicit = stack[-1]
            inner = self.element(offset, implicit=implicit)
            offset = inner.end
            if (is_item and inner.tag == ITEM_END) or (not is_item and inner.tag == SEQUENCE_END):
                stack.pop()
            elif is_item == (inner.tag >> 16 == 0xFFFE) or not (is_item or inner.tag == ITEM):
                raise MalformedError
            elif inner.undefined:
                if len(stack) >= 2 * MAX_DEPTH or (is_item and not self._may_be_undefined(inner)):
                    raise MalformedError
                stack.append((not is_item, self._implicit_inside(inner, implicit)))
            if offset > self.source.size:
                raise OutOfBytes
        return Element(element.tag, element.vr, element.start, element.value, offset, True)

    @staticmethod
    def _may_be_undefined(element: Element) -> bool:
        if element.vr:
            return element.vr in ("SQ", "UN")
        try:
            return dictionary_VR(element.tag) == "SQ"
        except KeyError:
            return True  # A private element: only a sequence can be meant.

    @staticmethod
    def _implicit_inside(element: Element, implicit: bool) -> bool:
        """UN of undefined length is a sequence in implicit VR (PS3.5, 6.2.2, note 2)."""
        return implicit or element.vr == "UN"
