"""Stored values out of every accepted transfer syntax, checked against an independent decoder."""

import io
import os

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from radiology.dicom.decode import (
    DECODERS,
    missing_decoders,
    stored_values,
)
from radiology.dicom.header import inspect
from radiology.dicom.libjpeg import damage_refused
from radiology.dicom.syntaxes import ENCAPSULATED, TRANSFER_SYNTAXES
from radiology.errors import TruncatedError, UndecodableError

from .factories import chest_pixels, dicom_bytes, dicom_dataset, to_bytes

LOSSLESS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
]
LOSSY = [
    (JPEGBaseline8Bit, 8, 3),
    (JPEGExtended12Bit, 8, 3),
    (JPEGExtended12Bit, 12, 40),
    (JPEGExtended12Bit, 10, 40),
    (JPEGLSNearLossless, 12, 2),
    (JPEG2000, 12, 40),
    (HTJ2K, 12, 40),
]


def decoded(content: bytes) -> np.ndarray:
    return stored_values(inspect(io.BytesIO(content)))


def test_every_accepted_syntax_is_tried_here():
    assert {*LOSSLESS, *(syntax for syntax, _, _ in LOSSY)} == TRANSFER_SYNTAXES
    assert set(DECODERS) == ENCAPSULATED


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_lossless_is_exact(syntax, bits):
    pixels = chest_pixels(130, 97, bits_stored=bits)
    values = decoded(dicom_bytes(pixels=pixels, bits_stored=bits, transfer_syntax=syntax))
    assert values.dtype == pixels.dtype
    np.testing.assert_array_equal(values, pixels)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    "syntax",
    [*LOSSLESS[:5], JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless],
    ids=lambda uid: uid.name,
)
def test_signed_values_keep_their_sign(syntax, bits):
    pixels = chest_pixels(130, 97, bits_stored=bits, signed=True)
    assert pixels.min() < 0 < pixels.max()
    values = decoded(dicom_bytes(pixels=pixels, bits_stored=bits, transfer_syntax=syntax))
    np.testing.assert_array_equal(values, pixels)


@pytest.mark.parametrize(("syntax", "bits", "error"), LOSSY)
def test_lossy_is_close_and_never_overshoots(syntax, bits, error):
    pixels = chest_pixels(256, 224, bits_stored=bits)
    pixels[40:80, 40:80] = (1 << bits) - 1  # An edge at the top of the range.
    values = decoded(dicom_bytes(pixels=pixels, bits_stored=bits, transfer_syntax=syntax))
    assert values.max() < 1 << bits
    difference = np.abs(values.astype(int) - pixels)
    assert np.percentile(difference, 99) <= error
    # A value that wrapped around would be off by nearly the whole range.
    assert difference.max() < (1 << bits) / 2


def test_bits_above_bits_stored_are_cut_off():
    pixels = chest_pixels(130, 97, bits_stored=12)
    overlay = pixels | ((pixels[::-1] & 1) << 15).astype(np.uint16)
    for syntax in (ExplicitVRLittleEndian, RLELossless):
        values = decoded(dicom_bytes(pixels=overlay, bits_stored=12, transfer_syntax=syntax))
        np.testing.assert_array_equal(values, pixels)


def test_an_odd_number_of_bytes_is_padded():
    pixels = chest_pixels(65, 67, bits_stored=8)
    np.testing.assert_array_equal(decoded(dicom_bytes(pixels=pixels, bits_stored=8)), pixels)


def test_a_frame_in_many_fragments_is_joined():
    pixels = chest_pixels(256, 224, bits_stored=8)
    stream = imagecodecs.jpeg8_encode(pixels, 95)
    dataset = dicom_dataset(pixels=pixels, bits_stored=8, transfer_syntax=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([stream], fragments_per_frame=5)
    np.testing.assert_array_equal(decoded(to_bytes(dataset)), imagecodecs.jpeg8_decode(stream))


def test_nothing_is_missing_here():
    assert missing_decoders() == {}


def damaged(stream: bytes, kind: str) -> bytes:
    """``stream`` with damage in its coded data; the end marker stays."""
    body, end = stream[:-2].rstrip(b"\xff"), b"\xff\xd9"
    middle = len(body) * 2 // 3
    if kind == "cut":
        return body[:middle] + end
    if kind == "cut near the end":
        return body[: len(body) - len(body) // 50] + end
    if kind == "zeroed":
        return body[:middle] + bytes(400) + body[middle + 400 :] + end
    return body[:middle] + body[middle + 100 :] + end  # "lost"


@pytest.mark.parametrize("kind", ["cut", "cut near the end", "zeroed", "lost"])
@pytest.mark.parametrize(
    ("syntax", "bits"),
    [
        (JPEGBaseline8Bit, 8),
        (JPEGExtended12Bit, 8),
        (JPEGExtended12Bit, 12),
        (JPEGLossless, 12),
        (JPEGLosslessSV1, 16),
        (JPEGLSLossless, 12),
        (JPEGLSNearLossless, 12),
    ],
)
def test_damage_inside_a_whole_stream_is_refused(syntax, bits, kind):
    dataset = dicom_dataset(rows=512, columns=448, bits_stored=bits, transfer_syntax=syntax)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
    assert stream.endswith(b"\xff\xd9")
    dataset.PixelData = encapsulate([damaged(stream, kind)])
    with pytest.raises(UndecodableError):
        decoded(to_bytes(dataset))


@pytest.mark.parametrize("kind", ["cut", "cut near the end", "lost"])
@pytest.mark.parametrize("syntax", [JPEG2000, JPEG2000Lossless, HTJ2KLossless])
def test_a_shortened_jpeg_2000_is_refused(syntax, kind):
    dataset = dicom_dataset(rows=512, columns=448, bits_stored=12, transfer_syntax=syntax)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
    dataset.PixelData = encapsulate([damaged(stream, kind)])
    with pytest.raises((TruncatedError, UndecodableError)):
        inspect(io.BytesIO(to_bytes(dataset)))


def test_what_others_say_meanwhile_is_not_lost(capfd):
    with damage_refused():
        os.write(2, b"Invalid SOS parameters for sequential JPEG\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"
    with pytest.raises(UndecodableError), damage_refused():
        os.write(2, b"Corrupt JPEG data: bad Huffman code\n")
    with pytest.raises(KeyError), damage_refused():
        raise KeyError
    os.write(2, b"as before\n")
    assert capfd.readouterr().err == "as before\n"
