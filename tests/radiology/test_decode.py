"""Stored values out of every accepted transfer syntax, checked against an independent decoder."""

import io

import imagecodecs
import numpy as np
import pytest
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
    decodable_syntaxes,
    missing_decoders,
    stored_values,
)
from radiology.dicom.header import inspect
from radiology.dicom.syntaxes import ENCAPSULATED, TRANSFER_SYNTAXES

from .factories import chest_pixels, dicom_bytes

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
    from pydicom.encaps import encapsulate

    from .factories import dicom_dataset, to_bytes

    pixels = chest_pixels(256, 224, bits_stored=8)
    stream = imagecodecs.jpeg8_encode(pixels, 95)
    dataset = dicom_dataset(pixels=pixels, bits_stored=8, transfer_syntax=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([stream], fragments_per_frame=5)
    np.testing.assert_array_equal(decoded(to_bytes(dataset)), imagecodecs.jpeg8_decode(stream))


def test_nothing_is_missing_here():
    assert missing_decoders() == {}
    assert set(decodable_syntaxes()) == {str(syntax) for syntax in TRANSFER_SYNTAXES}
