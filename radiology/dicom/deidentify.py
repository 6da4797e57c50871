"""The file that is stored: the image without the patient. Rule: ``docs/deidentification.md``.

DICOM PS3.15, annex E: Basic Application Level Confidentiality Profile with the Retain UIDs
option, kept by an allow list. What is not named here is not in the stored file: it is
written anew, never edited.
"""

from __future__ import annotations

import io
import re
import struct
import uuid
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import format_number_as_ds

from radiology.errors import MalformedError

from .acceptance import MODALITIES, UNSPECIFIC_MODALITIES, body_part, view_position
from .attributes import integer, numbers, text, texts, uid
from .guard import file_blamed
from .streams import parts_without_comments
from .structure import ITEM, MIB, PIXEL_DATA, SEQUENCE_END, UNDEFINED
from .syntaxes import ENCAPSULATED
from .tables import LookupTable, first_table

if TYPE_CHECKING:
    from .header import Inspection
    from .pixels import PixelModule

# This program as a writer of DICOM files (PS3.10, 7.1): made from its name, so it stays.
IMPLEMENTATION_CLASS_UID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'pneumoniapp').int}"
IMPLEMENTATION_VERSION_NAME = "PNEUMONIAPP_1"
METHOD = "PneumoniApp allow list 1"
# PS3.16, CID 7050.
METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113110", "Retain UIDs Option"),
)

UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Type 2 attributes: they must be there and may be empty.
EMPTIED = (
    "AccessionNumber",
    "InstanceNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "SeriesNumber",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
# Code strings and the words that each may hold; another word is left out.
CODES: dict[str, frozenset[str]] = {
    "BurnedInAnnotation": frozenset({"YES", "NO"}),
    "ConversionType": frozenset({"DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"}),
    "ImageLaterality": frozenset({"R", "L", "U", "B"}),
    "LossyImageCompression": frozenset({"00", "01"}),
    "Modality": MODALITIES | UNSPECIFIC_MODALITIES - {""},
    "PhotometricInterpretation": frozenset({"MONOCHROME1", "MONOCHROME2"}),
    "PixelIntensityRelationship": frozenset({"LIN", "LOG", "DISP"}),
    "PixelSpacingCalibrationType": frozenset({"GEOMETRY", "FIDUCIAL"}),
    "PresentationIntentType": frozenset({"FOR PRESENTATION"}),
    "PresentationLUTShape": frozenset({"IDENTITY", "INVERSE"}),
    "VOILUTFunction": frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"}),
}
ORIENTATION = re.compile(r"[APRLHF]{1,3}")
IMAGE_TYPES = frozenset({"ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY"})
INTEGERS = (
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "Rows",
    "SamplesPerPixel",
)
DECIMALS = (
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "WindowCenter",
    "WindowWidth",
)
TABLES = ("ModalityLUTSequence", "VOILUTSequence")
KEPT = frozenset(
    {
        *UIDS,
        *CODES,
        *INTEGERS,
        *DECIMALS,
        *TABLES,
        "BodyPartExamined",
        "ImageType",
        "PatientOrientation",
        "ViewCodeSequence",
        "ViewPosition",
    }
)


def write_deidentified(inspection: Inspection, out: BinaryIO) -> None:
    """Write the DICOM Part 10 file to store for an accepted file.

    The pixels are those received, but for the comment and application segments of a
    compressed stream, whatever trails it, and the bits above Bits Stored of uncompressed
    pixels, where overlays were kept (PS3.5, 8.1.2). A deflated data set is written inflated.
    Pixels that aren't compressed are copied piece by piece. Raises ``MalformedError``.
    """
    syntax = inspection.structure.transfer_syntax
    if syntax == DeflatedExplicitVRLittleEndian:
        syntax = ExplicitVRLittleEndian
    with file_blamed():
        dataset = _data_set(inspection)
        dataset.file_meta = _file_meta(dataset, syntax)
        header = io.BytesIO()
        dcmwrite(header, dataset, enforce_file_format=True)
        out.write(header.getvalue())
        if syntax in ENCAPSULATED:
            _write_stream(inspection, out)
        else:
            _write_native(inspection, syntax, out)


def _file_meta(dataset: Dataset, syntax: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _data_set(inspection: Inspection) -> Dataset:
    """Everything but the pixels."""
    source, clean = inspection.dataset, Dataset(dict(_always()._dict))
    for keyword in UIDS:
        if value := uid(source, keyword):
            setattr(clean, keyword, value)
    for keyword, words in CODES.items():
        # The first value, as whoever judges and renders the file takes it.
        value = text(source, keyword)
        if value in words:
            setattr(clean, keyword, value)
    for keyword in INTEGERS:
        value = integer(source, keyword)
        if value is not None:
            setattr(clean, keyword, value)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if keyword in clean:
            setattr(clean, keyword, _stored_value(clean[keyword].value, inspection.module.signed))
    for keyword in DECIMALS:
        if values := numbers(source, keyword):
            setattr(clean, keyword, [_decimal(value) for value in values])
    little = inspection.structure.little
    if table := first_table(source, "ModalityLUTSequence", little=little):
        clean.ModalityLUTSequence = [_table(table, little=little)]
    with suppress(MalformedError):  # How to show it is only advice.
        if table := first_table(source, "VOILUTSequence", little=little):
            clean.VOILUTSequence = [_table(table, little=little)]
    _put_words(source, clean)
    return clean


@cache
def _always() -> Dataset:
    """What every stored file says, made once."""
    fixed = Dataset()
    for keyword in EMPTIED:
        setattr(fixed, keyword, None)
    fixed.PatientIdentityRemoved = "YES"
    fixed.LongitudinalTemporalInformationModified = "REMOVED"
    fixed.DeidentificationMethod = METHOD
    fixed.DeidentificationMethodCodeSequence = [_method(*code) for code in METHOD_CODES]
    return fixed


def _decimal(value: float) -> str:
    """A decimal string (PS3.5, 6.2: at most 16 characters)."""
    shortest = repr(value)
    return shortest if len(shortest) <= 16 else format_number_as_ds(value)


def _stored_value(value: int, signed: bool) -> int:
    """A stored value that may have been written with the other sign's VR (US or SS)."""
    value &= 0xFFFF
    return value - 0x10000 if signed and value & 0x8000 else value


def _table(table: LookupTable, *, little: bool) -> Dataset:
    """A look-up table without its explanation."""
    clean, count = Dataset(), len(table.entries)
    vr = "SS" if table.first < 0 else "US"
    clean.add_new("LUTDescriptor", vr, [count & 0xFFFF, table.first, table.bits])
    order = "<" if little else ">"
    clean.add_new("LUTData", "OW", struct.pack(f"{order}{count}H", *table.entries))
    return clean


def _put_words(source: Dataset, clean: Dataset) -> None:
    """Code strings whose meaning is kept, not their words."""
    if part := body_part(source):
        clean.BodyPartExamined = part
    if view := view_position(source):
        clean.ViewPosition = view
    kinds = [value.upper() for value in texts(source, "ImageType")[:2]]
    if len(kinds) == 2 and IMAGE_TYPES.issuperset(kinds):
        clean.ImageType = kinds
    directions = [value.upper() for value in texts(source, "PatientOrientation")]
    is_known = len(directions) == 2 and all(map(ORIENTATION.fullmatch, directions))
    clean.PatientOrientation = directions if is_known else None


def _method(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = meaning
    return code


def _write_native(inspection: Inspection, syntax: str, out: BinaryIO) -> None:
    pixels = inspection.pixels
    padding = pixels.length % 2
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    out.write(struct.pack(f"{order}HH", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF))
    if syntax != ImplicitVRLittleEndian:
        out.write(b"OW\0\0" if inspection.module.bits_allocated > 8 else b"OB\0\0")
    out.write(struct.pack(f"{order}L", pixels.length + padding))
    for piece in pixels.source.chunks(pixels.start, pixels.length):
        out.write(_without_spare_bits(piece, inspection.module, little=order == "<"))
    out.write(b"\0" * padding)


def _without_spare_bits(piece: bytes, module: PixelModule, *, little: bool) -> bytes:
    """Whole cells of pixels, with the bits above Bits Stored as the sign has them, or zero.

    All cells at once, as one long number, which takes some milliseconds a MiB.
    """
    spare = module.bits_allocated - module.bits_stored
    if spare <= 0:
        return piece
    order = "little" if little else "big"
    size = module.bits_allocated // 8
    ones = int.from_bytes((1).to_bytes(size, order) * (len(piece) // size), order)
    values = int.from_bytes(piece, order) & ones * ((1 << module.bits_stored) - 1)
    if module.signed:
        signs = values >> (module.bits_stored - 1) & ones
        values |= signs * (((1 << spare) - 1) << module.bits_stored)
    return values.to_bytes(len(piece), order)


def _write_stream(inspection: Inspection, out: BinaryIO) -> None:
    """One fragment behind an empty offset table (PS3.5, A.4)."""
    pixels = inspection.pixels
    parts = [pixels.stream()]
    if pixels.facts:
        parts = parts_without_comments(*parts, inspection.structure.transfer_syntax, pixels.facts)
    size = sum(map(len, parts))
    padding = size % 2
    out.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED))
    out.write(_item(ITEM, 0) + _item(ITEM, size + padding))
    # Piece by piece: a file that is kept in memory up to a size takes a whole write first.
    for part in parts:
        for start in range(0, len(part), MIB):
            out.write(part[start : start + MIB])
    out.write(b"\0" * padding)
    out.write(_item(SEQUENCE_END, 0))


def _item(tag: int, length: int) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length)
