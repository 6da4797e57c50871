"""How the hostile files of the corpus are made: sound ones with one thing changed."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import (
    RLELossless,
)

from tests.radiology.factories import chest_pixels, dicom_bytes, dicom_dataset, to_bytes

from .anatomy import Anatomy
from .mutants import element
from .sound import generated
from .streams import fragments_of, item

END = b"\xfe\xff\xdd\xe0\0\0\0\0"
# Bytes of what is blown up: a file may have 64 MiB.
BIG = 60 << 20
DEFLATED = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"


@lru_cache
def base(word: str = "Explicit VR Little") -> Anatomy:
    return next(found for found in generated() if found.name.startswith(word))


def with_length(tag: int, length: int, word: str = "Explicit VR Little") -> bytes:
    """The length of one element lies."""
    sound = base(word)
    at, size = sound.part(tag).length_at
    coded = struct.pack(f"{sound.order}{'H' if size == 2 else 'L'}", length)
    return sound.data[:at] + coded + sound.data[at + size :]


def with_element(tag: int, vr: str, value: bytes, word: str = "Explicit VR Little") -> bytes:
    """One element has another value, or is there where it wasn't."""
    sound = base(word)
    part = sound.part(tag)
    start, end = (part.start, part.end) if part else (_place(sound, tag),) * 2
    return sound.data[:start] + element(sound, tag, vr, value) + sound.data[end:]


def _place(sound: Anatomy, tag: int) -> int:
    return next(part.start for part in sound.parts if part.tag > tag and not part.depth)


def before(tag: int, new: bytes) -> bytes:
    sound = base()
    at = _place(sound, tag - 1)
    return sound.data[:at] + new + sound.data[at:]


def number(tag: int, value: int, word: str = "Explicit VR Little") -> bytes:
    return with_element(tag, "US", struct.pack(f"{base(word).order}H", value), word)


def encapsulated(change: Callable[[bytes, list[bytes]], bytes], word: str = "JPEG Base") -> bytes:
    """The value of the pixels is what ``change`` makes of its table and its fragments."""
    sound = base(word)
    return sound.data[: sound.pixels.value] + change(
        *fragments_of(sound.data[sound.pixels.value :])
    )


def streamed(change: Callable[[bytes], bytes], word: str) -> bytes:
    """The compressed stream is what ``change`` makes of it; its frame stays whole."""
    return encapsulated(lambda _table, parts: even(change(b"".join(parts))), word)


def even(stream: bytes) -> bytes:
    return item(b"") + item(stream + b"\0" * (len(stream) % 2)) + END


def deflated(body: bytes, *, finish: bool = True) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(body) + packer.flush(zlib.Z_FINISH if finish else zlib.Z_SYNC_FLUSH)
    return bytes(128) + b"DICM" + DEFLATED + packed


def nested(depth: int, *, closed: bool) -> bytes:
    opened = b"\x0b\x00\x10\x10SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4
    ending = b"\xfe\xff\x0d\xe0\0\0\0\0" + END
    return before(0x00100010, opened * depth + (ending * depth if closed else b""))


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.dcm", content)
    return out.getvalue()


def sound_file(**attributes) -> bytes:
    return dicom_bytes(rows=80, columns=72, **attributes)


def even_image() -> bytes:
    return sound_file(pixels=np.zeros((80, 72), np.uint16), bits_stored=12)


def runs_of_zeros() -> bytes:
    """8,192 x 8,192 pixels in 2 MB of RLE."""
    runs = b"\x81\0" * (8192 * 8192 // 128)
    stream = struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13) + runs * 2
    dataset = dicom_dataset(rows=80, columns=72, transfer_syntax=RLELossless)
    dataset.Rows = dataset.Columns = 8192
    dataset.PixelData = encapsulate([stream])
    return to_bytes(dataset)


def largest(syntax: str) -> bytes:
    """As many pixels as are accepted."""
    pixels = np.tile(chest_pixels(512, 512, bits_stored=8), (16, 16))
    return dicom_bytes(pixels=pixels, transfer_syntax=syntax)


def lying_jpeg() -> bytes:
    """A JPEG's frame and the header say 8,192 x 8,192; the data are those of a small image."""

    def sized(stream: bytes) -> bytes:
        at = stream.index(b"\xff\xc0")
        return stream[: at + 5] + struct.pack(">HH", 8192, 8192) + stream[at + 9 :]

    sound, data = base("JPEG Base"), streamed(sized, "JPEG Base")
    for tag in (0x00280010, 0x00280011):
        part = sound.part(tag)
        data = data[: part.value] + struct.pack("<H", 8192) + data[part.end :]
    return data


def j2k_tiles(stream: bytes) -> bytes:
    """As many tiles as pixels (ISO/IEC 15444-1, A.5.1)."""
    return stream[:24] + struct.pack(">4L", 1, 1, 0, 0) + stream[40:]


def cut_stream(stream: bytes) -> bytes:
    """Half of the data, and the end marker put back."""
    return stream[: len(stream) // 2] + b"\xff\xd9"


def table(descriptor: tuple[int, ...], size: int, keyword_tag: int = 0x00283000) -> bytes:
    sound = base()
    inner = element(sound, 0x00283002, "US", struct.pack(f"<{len(descriptor)}H", *descriptor))
    inner += element(sound, 0x00283006, "OW", bytes(size))
    return with_element(keyword_tag, "SQ", item(inner))


def many(count: int) -> bytes:
    one = lambda number: element(base(), 0x00110000 + number, "LO", b"")  # noqa: E731
    return before(0x00180015, b"".join(one(number) for number in range(16, 16 + count)))
