"""Hostile and odd files: every answer is a coded error or a structure, in bounded time."""

import io
import struct
import time
import zlib

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from radiology.dicom.header import inspect
from radiology.dicom.structure import MAX_DEPTH, MAX_ELEMENTS, scan
from radiology.errors import (
    DeflateRatioError,
    EmptyFileError,
    FileTooLargeError,
    MalformedError,
    NoPixelsError,
    NotDicomError,
    TransferSyntaxUnsupportedError,
    TruncatedError,
)

from .factories import dicom_bytes, dicom_dataset, to_bytes

META = dicom_bytes()[:132] + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0"


def element(tag: int, vr: str, value: bytes = b"", length: int | None = None) -> bytes:
    """One element in explicit VR little endian."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    length = len(value) if length is None else length
    is_long = vr in ("OB", "OW", "SQ", "UN", "UT")
    return head + struct.pack("<HL" if is_long else "<H", *([0] * is_long), length) + value


def item(value: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value) if length is None else length) + value


ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
UNDEFINED = 0xFFFFFFFF
PIXELS = element(0x7FE00010, "OW", b"\0" * 8)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ],
)
def test_every_encoding_of_elements_is_walked(syntax):
    content = dicom_bytes(transfer_syntax=syntax, SOPInstanceUID="1.2.3")
    inspection = inspect(io.BytesIO(content))
    assert inspection.header.transfer_syntax_uid == syntax
    assert inspection.header.sop_instance_uid == "1.2.3"
    assert (inspection.header.rows, inspection.header.columns) == (256, 224)
    assert inspection.header.view_position == "PA"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("how", ["no preamble", "no preamble, with prefix", "no meta"])
def test_a_missing_preamble_is_tolerated(syntax, how):
    dataset = dicom_dataset(transfer_syntax=syntax, SOPInstanceUID="1.2.3")
    if how == "no meta":
        content = to_bytes(dataset, meta=False)
    else:
        content = to_bytes(dataset)[132 if how == "no preamble" else 128 :]
    header = inspect(io.BytesIO(content)).header
    assert header.sop_instance_uid == "1.2.3"
    assert header.transfer_syntax_uid == syntax


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500),
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"%PDF-1.7\n" + b"x" * 500,
        b"PK\x03\x04" + bytes(500),
        bytes(600),
        b"name,sex\n" * 100,
        b"\x08\x00\x99\x00CS\x02\x00CR" + bytes(100),
        b"D",
        b"\x08",
    ],
)
def test_what_is_no_dicom_is_refused(content):
    with pytest.raises(NotDicomError):
        scan(io.BytesIO(content))


def test_an_empty_file_is_refused():
    with pytest.raises(EmptyFileError):
        scan(io.BytesIO(b""))


def test_a_large_file_is_refused_before_it_is_read(settings):
    settings.RADIOGRAPH_MAX_BYTES = 1024 * 1024

    class Unread(io.BytesIO):
        size = 1024 * 1024 + 1

        def read(self, *_args):
            raise AssertionError("read")

    with pytest.raises(FileTooLargeError) as caught:
        scan(Unread())
    assert caught.value.params == {"limit": 1}
    assert caught.value.status == 413


def test_an_unknown_transfer_syntax_is_named():
    dataset = dicom_dataset()
    content = to_bytes(dataset).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.")
    with pytest.raises(TransferSyntaxUnsupportedError) as caught:
        scan(io.BytesIO(content))
    assert caught.value.params == {"found": "?"}
    mpeg = dicom_bytes()[:132] + element(0x00020010, "UI", b"1.2.840.10008.1.2.4.100\0") + PIXELS
    with pytest.raises(TransferSyntaxUnsupportedError) as caught:
        scan(io.BytesIO(mpeg))
    assert "MPEG2" in caught.value.params["found"]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_a_file_that_ends_anywhere_is_truncated(syntax):
    content = dicom_bytes(transfer_syntax=syntax)
    # An encapsulated file without its last delimiter has lost its end, too.
    for cut in [140, 160, 300, 700, len(content) // 2, len(content) - 8, len(content) - 1]:
        with pytest.raises((TruncatedError, NoPixelsError)) as caught:
            inspect(io.BytesIO(content[:cut]))
        if cut > 1500:
            assert caught.type is TruncatedError


@pytest.mark.parametrize(
    "body",
    [
        # A length beyond the file.
        element(0x00100020, "LO", b"12", length=60_000),
        element(0x00090010, "OB", b"12", length=0xFFFFFFF0),
        # A sequence whose items end nowhere.
        element(0x00081140, "SQ", item(b"", UNDEFINED), length=UNDEFINED),
        element(0x00081140, "SQ", item(b"", 0xFFFFFF00), length=UNDEFINED),
    ],
)
def test_a_length_that_lies_is_a_truncated_file(body):
    with pytest.raises(TruncatedError):
        scan(io.BytesIO(META + body + (b"" if b"\xff\xff\xff\xff" in body else PIXELS)))


@pytest.mark.parametrize(
    "body",
    [
        b"\x08\x00\x60\x00??\x02\x00CR" + PIXELS,
        # Out of order, and twice.
        element(0x00100020, "LO", b"12") + element(0x00080060, "CS", b"CR") + PIXELS,
        element(0x00080060, "CS", b"CR") * 2 + PIXELS,
        # Undefined length where it can't be; a delimiter with nothing to delimit.
        element(0x00090010, "OB", b"", length=UNDEFINED) + PIXELS,
        element(0x00081140, "SQ", ITEM_END + SEQUENCE_END, length=UNDEFINED) + PIXELS,
        element(0x00081140, "SQ", item(SEQUENCE_END, UNDEFINED) + ITEM_END, length=UNDEFINED),
        ITEM_END + PIXELS,
        element(0x7FE00008, "OW", b"\0\0"),
    ],
)
def test_a_structure_that_makes_no_sense_is_malformed(body):
    with pytest.raises(MalformedError):
        inspect(io.BytesIO(META + body))


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        value = element(
            0x00081140, "SQ", item(value, UNDEFINED) + ITEM_END + SEQUENCE_END, length=UNDEFINED
        )
    return value


def test_sequences_are_walked_to_a_limited_depth():
    found = scan(io.BytesIO(META + nested(MAX_DEPTH) + PIXELS))
    assert found.pixels.length == 8
    for depth in (MAX_DEPTH + 1, 3000):
        with pytest.raises(MalformedError):
            scan(io.BytesIO(META + nested(depth) + PIXELS))


def test_unknown_sequences_of_undefined_length_are_walked():
    inner = struct.pack("<HHL", 0x0008, 0x0060, 2) + b"CR"
    body = element(0x00091010, "UN", item(inner) + SEQUENCE_END, length=UNDEFINED)
    assert scan(io.BytesIO(META + body + PIXELS)).pixels.length == 8


def test_elements_are_counted():
    many = b"".join(element(0x00110000 + n, "CS") for n in range(1, MAX_ELEMENTS + 10))
    started = time.process_time()
    with pytest.raises(MalformedError):
        scan(io.BytesIO(META + many + PIXELS))
    inside = item(b"", UNDEFINED) + ITEM_END
    with pytest.raises(MalformedError):
        scan(
            io.BytesIO(
                META + element(0x00081140, "SQ", inside * MAX_ELEMENTS, length=UNDEFINED) + PIXELS
            )
        )
    assert time.process_time() - started < 5


def test_a_deflated_bomb_is_refused_while_it_grows(settings):
    settings.RADIOGRAPH_MAX_DEFLATE_RATIO = 50
    deflated = META.replace(b"\x14\x001.2.840.10008.1.2.1\0", b"\x16\x001.2.840.10008.1.2.1.99")
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(bytes(60_000_000)) + deflater.flush()
    assert len(bomb) < 100_000
    started = time.process_time()
    with pytest.raises(DeflateRatioError):
        scan(io.BytesIO(deflated + bomb))
    assert time.process_time() - started < 1

    with pytest.raises(MalformedError):
        scan(io.BytesIO(deflated + b"\xff" * 100))
    content = dicom_bytes(transfer_syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(TruncatedError):
        scan(io.BytesIO(content[: len(content) // 2]))
