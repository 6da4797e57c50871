"""Hostile files by name: each is one idea, with the code that it must be answered with.

``CORPUS`` maps a name to (how it is made, what the web process answers, what the decoder answers to
one that was accepted). ``""`` stands for accepted, or read.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable

from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
)

from tests.radiology.factories import dicom_dataset, to_bytes

from .anatomy import UNDEFINED
from .making import (
    BIG,
    DEFLATED,
    END,
    base,
    before,
    cut_stream,
    deflated,
    encapsulated,
    even,
    even_image,
    j2k_tiles,
    largest,
    lying_jpeg,
    many,
    nested,
    number,
    runs_of_zeros,
    sound_file,
    streamed,
    table,
    with_element,
    with_length,
    zipped,
)
from .mutants import PREAMBLES, element
from .streams import fragments_of, item

Made = Callable[[], bytes]

CORPUS: dict[str, tuple[Made, str, str]] = {
    # What is no DICOM file at all.
    "empty": (lambda: b"", "empty_file", ""),
    "one byte": (lambda: b"\0", "not_dicom", ""),
    "zeros": (lambda: bytes(100_000), "not_dicom", ""),
    "ones": (lambda: b"\xff" * 100_000, "not_dicom", ""),
    "text": (lambda: b"DICM" * 1000, "malformed", ""),
    "preamble alone": (lambda: bytes(128) + b"DICM", "truncated", ""),
    "html": (lambda: b"<!DOCTYPE html><script>alert(1)</script>" * 50, "not_dicom", ""),
    "zip of one": (lambda: zipped(sound_file()), "not_dicom", ""),
    "gzip of one": (lambda: gzip.compress(sound_file(), mtime=0), "not_dicom", ""),
    # Sound files with another file's beginning: taken, and the beginning is not kept.
    **{
        f"polyglot {start[:4]!r}": (
            lambda start=start: start.ljust(128, b"\0") + sound_file()[128:],
            "",
            "",
        )
        for start in PREAMBLES
    },
    "no preamble": (lambda: sound_file()[132:], "", ""),
    "no meta": (lambda: to_bytes(dicom_dataset(rows=80, columns=72), meta=False), "", ""),
    "directory": (
        lambda: to_bytes(dicom_dataset(SOPClassUID=MediaStorageDirectoryStorage)),
        "dicom_directory",
        "",
    ),
    # Lengths that lie.
    "meta length beyond the end": (lambda: with_length(0x00020010, 0xFFFF), "truncated", ""),
    "text longer than the file": (lambda: with_length(0x00100010, 0xFFFF), "truncated", ""),
    "text shorter than it is": (lambda: with_length(0x00100010, 4), "malformed", ""),
    "odd length": (lambda: with_length(0x00100010, 13), "malformed", ""),
    "sequence longer than the file": (lambda: with_length(0x00540220, 0x7FFFFFF0), "truncated", ""),
    "sequence of endless length, never closed": (
        lambda: with_length(0x00540220, UNDEFINED),
        "malformed",
        "",
    ),
    "implicit text of 4 GiB": (
        lambda: with_length(0x00100010, 0xFFFFFFFE, "Implicit"),
        "truncated",
        "",
    ),
    "implicit text without length": (
        lambda: with_length(0x00100010, UNDEFINED, "Implicit"),
        "malformed",
        "",
    ),
    "pixels longer than the file": (lambda: with_length(0x7FE00010, 0x7FFFFFFE), "truncated", ""),
    "pixels shorter than announced": (
        lambda: with_length(0x7FE00010, 100),
        "pixel_size_mismatch",
        "",
    ),
    "no pixels": (lambda: with_length(0x7FE00010, 0), "no_pixels", ""),
    "pixels without length, not compressed": (
        lambda: with_length(0x7FE00010, UNDEFINED),
        "malformed",
        "",
    ),
    # Sequences.
    "15 deep": (lambda: nested(15, closed=True), "", ""),
    "20,000 deep": (lambda: nested(20_000, closed=True), "malformed", ""),
    "20,000 deep, never closed": (lambda: nested(20_000, closed=False), "malformed", ""),
    "closed more often than opened": (lambda: before(0x00100010, END * 3), "malformed", ""),
    "30,000 elements": (lambda: many(30_000), "malformed", ""),
    "an element twice": (
        lambda: before(0x00100020, element(base(), 0x00100010, "PN", b"Other ")),
        "malformed",
        "",
    ),
    # Value representations and values.
    "unknown VR": (
        lambda: sound_file().replace(b"\x10\0\x20\0LO", b"\x10\0\x20\0ZZ"),
        "malformed",
        "",
    ),
    "60,000 empty codes": (lambda: with_element(0x00540220, "SQ", item(b"") * 60_000), "", ""),
    "60,000 empty tables": (lambda: with_element(0x00283010, "SQ", item(b"") * 60_000), "", ""),
    "rows as text": (lambda: with_element(0x00280010, "LO", b"80"), "pixel_size_mismatch", ""),
    "rows of three values": (
        lambda: with_element(0x00280010, "US", struct.pack("<3H", 80, 80, 80)),
        "malformed",
        "",
    ),
    "rows empty": (lambda: with_element(0x00280010, "US", b""), "pixel_size_mismatch", ""),
    "charset unknown": (lambda: with_element(0x00080005, "CS", b"rot13 "), "", ""),
    "charset bomb": (lambda: with_element(0x00080005, "CS", b"ISO 2022 IR 87\\" * 60), "", ""),
    "escapes without end": (lambda: with_element(0x00100010, "PN", b"\x1b$B" * 20_000), "", ""),
    "script for a name": (
        lambda: with_element(0x00180015, "CS", b"<script>alert(1)</script> "),
        "",
        "",
    ),
    "UID with a path": (
        lambda: with_element(0x00080018, "UI", b"../../../etc/passwd "),
        "invalid_uid",
        "",
    ),
    "UID of 4,000 digits": (
        lambda: with_element(0x00080018, "UI", b"1." * 2000),
        "missing_uid",
        "",
    ),
    "a day that is none": (
        lambda: with_element(0x00080020, "DA", b"20240230"),
        "impossible_date",
        "",
    ),
    "window of not a number": (lambda: with_element(0x00281051, "DS", b"NaN "), "", ""),
    "window of 1e400": (lambda: with_element(0x00281051, "DS", b"1e400 "), "", ""),
    "slope of 1e300": (lambda: with_element(0x00281053, "DS", b"1e300 "), "", ""),
    # What the pixels are.
    "1 x 1": (lambda: number(0x00280010, 1), "too_few_pixels", ""),
    "65,535 rows": (lambda: number(0x00280010, 65_535), "too_many_pixels", ""),
    "no rows": (lambda: number(0x00280010, 0), "pixel_size_mismatch", ""),
    "three samples": (lambda: number(0x00280002, 3), "not_grey", ""),
    "32 bits": (lambda: number(0x00280100, 32), "bits_unsupported", ""),
    "1 bit": (lambda: number(0x00280100, 1), "bits_unsupported", ""),
    "more bits stored than allocated": (lambda: number(0x00280101, 17), "bits_unsupported", ""),
    "high bit elsewhere": (lambda: number(0x00280102, 15), "bits_unsupported", ""),
    "sign of 2": (lambda: number(0x00280103, 2), "malformed", ""),
    "1,000 frames": (lambda: with_element(0x00280008, "IS", b"1000"), "multi_frame", ""),
    "-1 frames": (lambda: with_element(0x00280008, "IS", b"-1"), "multi_frame", ""),
    "10**20 frames": (
        lambda: with_element(0x00280008, "IS", b"100000000000000000000 "),
        "multi_frame",
        "",
    ),
    "palette": (lambda: with_element(0x00280004, "CS", b"PALETTE COLOR "), "not_grey", ""),
    "colours": (lambda: with_element(0x00280004, "CS", b"YBR_FULL_422"), "not_grey", ""),
    "MONOCHROME3": (
        lambda: with_element(0x00280004, "CS", b"MONOCHROME3 "),
        "photometric_unsupported",
        "",
    ),
    "two photometric interpretations": (
        lambda: with_element(0x00280004, "CS", b"MONOCHROME1\\RGB "),
        "",
        "",
    ),
    "palette tables in a grey image": (
        lambda: with_element(0x00281101, "US", struct.pack("<3H", 0, 0, 99)),
        "",
        "",
    ),
    "a table that is shorter than it says": (lambda: table((0, 0, 16), 64), "malformed", ""),
    "a table of 99 bits": (lambda: table((32, 0, 99), 64), "malformed", ""),
    "a table of 600,000 bytes": (lambda: table((32, 0, 16), 600_000), "malformed", ""),
    "a table for the eye that is none": (lambda: table((0, 0, 16), 64, 0x00283010), "", ""),
    "even black": (even_image, "", "blank_image"),
    # Deflated.
    "deflate bomb": (
        lambda: deflated(base().data[400:1400] + bytes(200 << 20)),
        "deflate_ratio",
        "",
    ),
    "deflated zeros": (lambda: deflated(bytes(1 << 20)), "deflate_ratio", ""),
    "deflated, no end": (
        lambda: deflated(base().data[base().body :], finish=False),
        "truncated",
        "",
    ),
    "deflated noise": (lambda: bytes(128) + b"DICM" + DEFLATED + b"\x07noise", "malformed", ""),
    # Encapsulated.
    "no offset table": (
        lambda: encapsulated(lambda _table, parts: b"".join(map(item, parts)) + END),
        "no_pixels",
        "",
    ),
    "offset table of lies": (
        lambda: encapsulated(
            lambda _table, parts: item(b"\xff" * 4000) + b"".join(map(item, parts)) + END
        ),
        "",
        "",
    ),
    "offset table of 3 bytes": (
        lambda: encapsulated(lambda _table, parts: item(b"abc") + b"".join(map(item, parts)) + END),
        "",
        "",
    ),
    "5,000 fragments": (
        lambda: encapsulated(
            lambda table, parts: item(table) + item(b"") * 5000 + item(parts[0]) + END
        ),
        "malformed",
        "",
    ),
    "a fragment longer than the file": (
        lambda: encapsulated(lambda table, parts: item(table) + item(parts[0], 1 << 30)),
        "truncated",
        "",
    ),
    "a fragment without length": (
        lambda: encapsulated(lambda table, parts: item(table) + item(parts[0], UNDEFINED) + END),
        "truncated",
        "",
    ),
    "no end of fragments": (
        lambda: encapsulated(lambda table, parts: item(table) + item(parts[0])),
        "truncated",
        "",
    ),
    "no fragment": (lambda: encapsulated(lambda table, _parts: item(table) + END), "no_pixels", ""),
    "two pictures": (
        lambda: encapsulated(lambda table, parts: item(table) + item(parts[0]) * 2 + END),
        "",
        "",
    ),
    "compressed by another way than said": (
        lambda: encapsulated(
            lambda _t, _p: even(
                b"".join(
                    fragments_of(
                        base("JPEG-LS Lossless").data[base("JPEG-LS Lossless").pixels.value :]
                    )[1]
                )
            )
        ),
        "undecodable",
        "",
    ),
    "noise for a picture": (
        lambda: streamed(lambda _s: b"\x5a\xa5" * 4000, "JPEG Base"),
        "undecodable",
        "",
    ),
    "half a JPEG with an end": (lambda: streamed(cut_stream, "JPEG Base"), "", "undecodable"),
    "half a lossless JPEG with an end": (
        lambda: streamed(cut_stream, "JPEG Lossless, Non-Hierarchical, First"),
        "",
        "undecodable",
    ),
    "half a JPEG-LS with an end": (
        lambda: streamed(cut_stream, "JPEG-LS Lossless"),
        "",
        "undecodable",
    ),
    "half a JPEG 2000 with an end": (
        lambda: streamed(cut_stream, "JPEG 2000 Image Compression (L"),
        "truncated",
        "",
    ),
    "half an HTJ2K with an end": (
        lambda: streamed(cut_stream, "High-Throughput JPEG 2000 Image Compression (L"),
        "truncated",
        "",
    ),
    "half an RLE": (lambda: streamed(lambda s: s[: len(s) // 2], "RLE"), "", "undecodable"),
    "JPEG 2000 of a tile for each pixel": (
        lambda: streamed(j2k_tiles, "JPEG 2000 Image Compression (L"),
        "undecodable",
        "",
    ),
    "JPEG with a stranger's segment": (
        lambda: streamed(
            lambda s: s[:2] + b"\xff\xe1\x00\x08AAAAAA" + s[2:],
            "JPEG Lossless, Non-Hierarchical, First",
        ),
        "",
        "",
    ),
    "JPEG 2000 with a byte left out": (
        lambda: streamed(lambda s: s[:900] + s[901:], "JPEG 2000 Image Compression (L"),
        "undecodable",
        "",
    ),
    "JPEG 2000 without most of its tiles": (
        lambda: streamed(
            lambda s: s[:24] + struct.pack(">4L", 40, 40, 0, 0) + s[40:],
            "JPEG 2000 Image Compression (L",
        ),
        "undecodable",
        "",
    ),
    "JPEG of fill bytes": (
        lambda: streamed(lambda s: s[:2] + b"\xff" * BIG + s[2:], "JPEG Base"),
        "undecodable",
        "",
    ),
    "JPEG of empty segments": (
        lambda: streamed(lambda s: s[:2] + b"\xff\xfe\0\2" * (BIG // 4) + s[2:], "JPEG Base"),
        "undecodable",
        "",
    ),
    "JPEG 2000 of empty segments": (
        lambda: streamed(
            lambda s: s[:51] + b"\xff\x64\0\2" * (BIG // 4) + s[51:],
            "JPEG 2000 Image Compression (L",
        ),
        "undecodable",
        "",
    ),
    "small JPEG, huge image": (lying_jpeg, "", "undecodable"),
    "RLE of 8,192 x 8,192 zeros": (runs_of_zeros, "", "blank_image"),
}
# As many pixels as are accepted: seconds for a decoder.
LARGEST: dict[str, tuple[Made, str, str]] = {
    "largest JPEG": (lambda: largest(JPEGBaseline8Bit), "", ""),
    "largest lossless JPEG": (lambda: largest(JPEGLosslessSV1), "", ""),
    "largest JPEG-LS": (lambda: largest(JPEGLSLossless), "", ""),
    "largest JPEG 2000": (lambda: largest(JPEG2000Lossless), "", ""),
}
