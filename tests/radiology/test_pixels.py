"""Pixels must exist and fit their header; what a compressed stream says is read, not decoded."""

import hashlib
import io
import struct
import time

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from radiology.dicom.header import inspect
from radiology.dicom.streams import stream_facts, without_comments
from radiology.errors import (
    MalformedError,
    NoPixelsError,
    NotGreyError,
    PixelSizeMismatchError,
    TruncatedError,
    UndecodableError,
)

from .factories import chest_pixels, dicom_bytes, dicom_dataset, to_bytes

COMPRESSED = [
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    RLELossless,
]


def check(content: bytes):
    return inspect(io.BytesIO(content)).pixels


def with_stream(stream: bytes, syntax: str, **attributes) -> bytes:
    """A file whose compressed frame is ``stream``."""
    dataset = dicom_dataset(transfer_syntax=syntax, **attributes)
    dataset.PixelData = encapsulate([stream])
    return to_bytes(dataset)


def stream_of(content: bytes) -> bytes:
    return check(content).stream()


@pytest.mark.parametrize("syntax", [None, *COMPRESSED])
def test_the_digest_is_that_of_the_pixel_data_element(syntax):
    content = dicom_bytes(**({"transfer_syntax": syntax} if syntax else {}))
    expected = hashlib.sha256(dcmread(io.BytesIO(content)).PixelData).hexdigest()
    assert check(content).sha256 == expected


@pytest.mark.parametrize("attributes", [{"PixelData": None}, {"PixelData": b""}])
def test_no_pixels(attributes):
    with pytest.raises(NoPixelsError):
        check(dicom_bytes(**attributes))


def test_no_pixels_in_the_fragments():
    dataset = dicom_dataset(transfer_syntax=RLELossless)
    empty = b"\xfe\xff\x00\xe0\0\0\0\0"
    for value in (empty, empty * 2):
        dataset.PixelData = value
        with pytest.raises(NoPixelsError):
            check(to_bytes(dataset))


@pytest.mark.parametrize(
    "attributes",
    [{"Rows": 255}, {"Columns": 225}, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}],
)
def test_uncompressed_pixels_of_another_size(attributes):
    with pytest.raises(PixelSizeMismatchError):
        check(dicom_bytes(**attributes))


def test_an_encapsulated_syntax_needs_encapsulated_pixels_and_the_other_way_round():
    content = to_bytes(dicom_dataset()).replace(
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0",
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.5\0",
    )
    with pytest.raises(MalformedError):
        check(content)
    content = to_bytes(dicom_dataset(transfer_syntax=RLELossless)).replace(
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.5\0",
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0",
    )
    with pytest.raises(MalformedError):
        check(content)


@pytest.mark.parametrize("syntax", [s for s in COMPRESSED if s != RLELossless])
def test_a_stream_of_another_size_than_the_header(syntax):
    for keyword, value in (("Rows", 255), ("Columns", 223)):
        dataset = dicom_dataset(transfer_syntax=syntax)
        setattr(dataset, keyword, value)
        with pytest.raises(PixelSizeMismatchError):
            check(to_bytes(dataset))


@pytest.mark.parametrize("syntax", [s for s in COMPRESSED if s != RLELossless])
def test_a_stream_that_lost_its_end(syntax):
    stream = stream_of(dicom_bytes(transfer_syntax=syntax))
    for length in (len(stream) // 2, 20, 3):
        with pytest.raises((TruncatedError, UndecodableError)) as caught:
            check(with_stream(stream[:length], syntax))
        if length > 20:
            assert caught.type is TruncatedError


def test_an_end_inside_a_thumbnail_is_not_the_end():
    """A JPEG whose application segment holds a whole small picture, and whose own end is gone."""
    stream = stream_of(dicom_bytes(transfer_syntax=JPEGBaseline8Bit))
    small = imagecodecs.jpeg8_encode(np.zeros((8, 8), np.uint8))
    segment = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    whole = stream[:2] + segment + stream[2:]
    assert check(with_stream(whole, JPEGBaseline8Bit)).facts.rows == 256
    with pytest.raises(TruncatedError):
        check(with_stream(whole[: len(whole) - 500], JPEGBaseline8Bit))


@pytest.mark.parametrize(
    ("stream", "syntax", "error"),
    [
        (lambda: imagecodecs.jpeg8_encode(chest_pixels(bits_stored=8)), JPEGLosslessSV1, None),
        (lambda: imagecodecs.jpegls_encode(chest_pixels(bits_stored=8)), JPEGBaseline8Bit, None),
        (lambda: imagecodecs.jpeg8_encode(chest_pixels(bits_stored=8)), JPEG2000Lossless, None),
        (lambda: imagecodecs.png_encode(chest_pixels(bits_stored=8)), JPEGBaseline8Bit, None),
        (lambda: b"\xff\xd8\xff\xd9", JPEGBaseline8Bit, TruncatedError),
        (lambda: bytes(1000), JPEGBaseline8Bit, None),
        (lambda: bytes(1000), JPEG2000Lossless, None),
        (lambda: bytes(1000), RLELossless, None),
        (lambda: b"\x01\0\0\0\x40\0\0\0" + bytes(56), RLELossless, None),
        (lambda: b"\x02\0\0\0\x40\0\0\0\xff\xff\0\0" + bytes(90), RLELossless, TruncatedError),
        (lambda: b"\x02\0\0\0\x40\0\0\0", RLELossless, TruncatedError),
    ],
)
def test_a_stream_of_another_kind(stream, syntax, error):
    with pytest.raises(error or UndecodableError):
        check(with_stream(stream(), syntax, bits_stored=None))


def test_a_colour_stream_is_not_grey():
    colour = imagecodecs.jpeg8_encode(np.zeros((256, 224, 3), np.uint8))
    with pytest.raises(NotGreyError):
        check(with_stream(colour, JPEGBaseline8Bit))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless])
def test_comments_and_applications_are_cut_out_and_the_image_stays(syntax):
    stream = stream_of(dicom_bytes(transfer_syntax=syntax))
    secret = b"MARTIN JEAN 1950"
    is_jpeg_2000 = syntax == JPEG2000Lossless
    length = (len(secret) + 2).to_bytes(2, "big")
    if is_jpeg_2000:
        # Behind SIZ, which must be first.
        place = 4 + int.from_bytes(stream[4:6], "big")
        marked = stream[:place] + b"\xff\x64" + length + secret + stream[place:]
    else:
        comment, application = b"\xff\xfe" + length + secret, b"\xff\xe1" + length + secret
        marked = stream[:2] + comment + b"\xff" + application + stream[2:]
    marked += b"\0" * 6 + secret
    clean = without_comments(marked, syntax, stream_facts(marked, syntax))
    assert secret not in clean
    decode = {
        JPEGBaseline8Bit: imagecodecs.jpeg8_decode,
        JPEGLSLossless: imagecodecs.jpegls_decode,
        JPEG2000Lossless: imagecodecs.jpeg2k_decode,
    }[syntax]
    np.testing.assert_array_equal(decode(clean), decode(stream))


@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless]
)
def test_a_second_picture_behind_the_first_is_cut_off(syntax):
    first, second = (stream_of(dicom_bytes(transfer_syntax=syntax, seed=seed)) for seed in (1, 2))
    both = first + second
    assert without_comments(both, syntax, stream_facts(both, syntax)) == without_comments(
        first, syntax, stream_facts(first, syntax)
    )


@pytest.mark.parametrize("piece", [b"\xff", b"\xff\xfe\0\2", b"\xff\xd0", b"\xff\x64\0\2"])
@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLSLossless, JPEG2000Lossless])
def test_markers_without_end_are_not_followed(syntax, piece):
    """A file within the limit of size must not keep the web process for a quarter of a minute."""
    stream = stream_of(dicom_bytes(transfer_syntax=syntax))
    place = 4 + int.from_bytes(stream[4:6], "big") if syntax == JPEG2000Lossless else 2
    swollen = stream[:place] + piece * (8_000_000 // len(piece)) + stream[place:]
    began = time.process_time()
    with pytest.raises((TruncatedError, UndecodableError)):
        stream_facts(swollen, syntax)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless])
def test_tiles_must_be_there_and_of_the_length_that_they_say(syntax):
    """OpenJPEG fills in missing tiles, and reads on over bytes that are left out."""
    stream = stream_of(dicom_bytes(transfer_syntax=syntax))
    body = stream_facts(stream, syntax).body
    grid = struct.pack(">4L", 100, 100, 0, 0)
    for changed in (
        stream[: body + 300] + stream[body + 301 :],
        stream[: body + 300] + b"\0" + stream[body + 300 :],
        stream[:24] + grid + stream[40:],
        stream[:24] + bytes(16) + stream[40:],
        stream[: body + 4] + b"\0\1" + stream[body + 6 :],
        stream[: body + 6] + b"\0\0\0\5" + stream[body + 10 :],
    ):
        with pytest.raises((TruncatedError, UndecodableError)):
            stream_facts(changed, syntax)
    with pytest.raises(TruncatedError):
        stream_facts(stream[:-200], syntax)
    # A last tile-part may leave its length out (A.4.2).
    endless = stream[: body + 6] + bytes(4) + stream[body + 10 :]
    assert stream_facts(endless, syntax).end == stream_facts(stream, syntax).end
