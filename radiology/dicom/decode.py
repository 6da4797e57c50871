"""Stored values out of pixel data. Worker and commands only: decoders of hostile input run here.

One decoder for each way of compressing, chosen by what it did with damaged streams (an
exception, not a crash of the process; never a picture out of half a stream), then by speed.
They are called here directly: a time limit that strikes inside must not be taken for
damage. ``docs/decisions/0005-one-decoder-for-each-syntax.md`` has the measurements.
"""

from __future__ import annotations

import importlib

import numpy as np
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from radiology.errors import UndecodableError

from .guard import file_blamed
from .header import Inspection
from .libjpeg import damage_refused
from .streams import without_comments
from .syntaxes import (
    ENCAPSULATED,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    RLE,
)

# The module that each compressed transfer syntax needs.
DECODERS = {
    **dict.fromkeys(JPEG, "gdcm"),
    JPEGBaseline8Bit: "cv2",
    **dict.fromkeys(JPEG_LS, "jpeg_ls"),
    **dict.fromkeys(JPEG_2000, "openjpeg"),
    **dict.fromkeys(RLE, "rle"),
}

LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K})


def missing_decoders() -> dict[str, str]:
    """Accepted transfer syntaxes whose decoder can't be loaded here, each with its module."""
    missing = {}
    for syntax in sorted(ENCAPSULATED):
        try:
            importlib.import_module(DECODERS[syntax])
        except ImportError:
            missing[str(syntax)] = DECODERS[syntax]
    return missing


def stored_values(inspection: Inspection) -> np.ndarray:
    """The stored values of the one frame, (rows, columns).

    Unsigned values are ``uint8`` or ``uint16`` in [0, 2**bits_stored), signed ones ``int8``
    or ``int16`` in [-2**(bits_stored - 1), 2**(bits_stored - 1)). Bits above Bits Stored
    (old overlays) are cut off. Raises :class:`UndecodableError`.
    """
    structure, module, pixels = inspection.structure, inspection.module, inspection.pixels
    if structure.transfer_syntax in ENCAPSULATED:
        stream = pixels.stream()
        with file_blamed(UndecodableError, reads_disk=False):
            raw = _decoded(stream, inspection)
    else:
        order = ">" if structure.transfer_syntax == ExplicitVRBigEndian else "<"
        data = pixels.source.read(pixels.start, module.size)
        raw = np.frombuffer(data, f"{order}u{module.bits_allocated // 8}")
        raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
        raw = raw.reshape(module.rows, module.columns)
    return _within_bits(raw, inspection)


def _decoded(stream: bytes, inspection: Inspection) -> np.ndarray:
    """The decoded containers as ``uint8`` or ``uint16``, (rows, columns)."""
    module, facts = inspection.module, inspection.pixels.facts
    syntax = inspection.structure.transfer_syntax
    if syntax in RLE:
        data, width = _rle(stream, module), module.bits_allocated // 8
    elif syntax in JPEG_2000:
        data, width = _jpeg_2000(stream), 1 if facts.precision <= 8 else 2
    elif syntax in JPEG_LS:
        data, width = _jpeg_ls(stream), 1 if facts.precision <= 8 else 2
    elif syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and facts.precision == 8:
        data, width = _jpeg_8_bit(stream), 1
    else:
        data, width = _jpeg_deep(stream, inspection), module.bits_allocated // 8
    raw = np.frombuffer(data, f"<u{width}")
    return raw.reshape(module.rows, module.columns)


def _within_bits(raw: np.ndarray, inspection: Inspection) -> np.ndarray:
    """``raw`` as stored values of ``bits_stored`` bits.

    Bits above are cut off and the sign is extended; an unsigned value of a lossy decoder
    may overshoot, and is clipped instead.
    """
    module, container = inspection.module, raw.dtype.itemsize * 8
    shift = max(container - module.bits_stored, 0)
    if module.signed:
        signed = raw.view(f"i{raw.dtype.itemsize}")
        return (signed << shift) >> shift if shift else signed
    if not shift:
        return raw
    top = raw.dtype.type((1 << module.bits_stored) - 1)
    lossy = inspection.structure.transfer_syntax in LOSSY
    return np.minimum(raw, top) if lossy else raw & top


def _rle(stream: bytes, module) -> bytes:
    from rle.utils import decode_pixel_data

    return decode_pixel_data(
        stream,
        version=2,
        rows=module.rows,
        columns=module.columns,
        bits_allocated=module.bits_allocated,
    )


def _jpeg_2000(stream: bytes) -> bytes:
    from openjpeg.utils import decode_pixel_data

    return decode_pixel_data(stream, version=2)


def _jpeg_ls(stream: bytes) -> bytes:
    import jpeg_ls

    return jpeg_ls.decode_pixel_data(stream)[0]


def _jpeg_8_bit(stream: bytes) -> bytes:
    import cv2

    with damage_refused():
        image = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2:
        raise UndecodableError
    return image.tobytes()


def _jpeg_deep(stream: bytes, inspection: Inspection) -> bytes:
    """JPEG lossless, and JPEG extended above 8 bits.

    The stream's own precision is handed on: an extended stream has 12 bits where the
    header may say 10, and a lossy value may overshoot.
    """
    import gdcm

    module, precision = inspection.module, inspection.pixels.facts.precision
    fragment = gdcm.Fragment()
    # Without application segments: some of them make GDCM end the process.
    stream = without_comments(stream, inspection.structure.transfer_syntax, inspection.pixels.facts)
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((module.columns, module.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(
        gdcm.TransferSyntax(
            gdcm.TransferSyntax.GetTSType(str(inspection.structure.transfer_syntax))
        )
    )
    image.SetPixelFormat(gdcm.PixelFormat(1, module.bits_allocated, precision, precision - 1, 0))
    with damage_refused():
        return image.GetBuffer().encode("utf-8", "surrogateescape")
