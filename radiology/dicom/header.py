"""A file in, what its header says out, or a coded error. Never decodes a pixel."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone
from pydicom import Dataset

from radiology.errors import (
    AcquisitionInFutureError,
    BirthDateAfterAcquisitionError,
    BitsUnsupportedError,
    MalformedError,
    MissingUidError,
    MultiFrameError,
    NotGreyError,
    PhotometricUnsupportedError,
    PixelSizeMismatchError,
    TooFewPixelsError,
    TooManyPixelsError,
)

from .acceptance import body_part, judge, view_position
from .attributes import age_years, date, integer, text, uid, wanted_elements
from .deidentify import KEPT
from .guard import file_blamed
from .pixels import PixelModule, Pixels, check_pixels
from .structure import Structure, scan

# Smaller than this nobody reads a chest radiograph (a thumbnail, a test file).
MIN_SIDE = 64
GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})

# By which attribute the radiograph is dated: the first that gives a day. The time of the
# study comes before that of the content, which in a secondary capture is the digitising.
ACQUISITION_DATES = (
    "AcquisitionDate",
    "AcquisitionDateTime",
    "StudyDate",
    "SeriesDate",
    "ContentDate",
)
# What is read beside the attributes that are kept (``deidentify.KEPT``).
READ_ONLY = frozenset(
    {
        *ACQUISITION_DATES,
        "AnatomicRegionSequence",
        "NumberOfFrames",
        "PatientAge",
        "PatientBirthDate",
        "PatientSex",
    }
)


@dataclass(frozen=True)
class Header:
    """What the header says.

    - ``rows``, ``columns``, ``bits_allocated``, ``bits_stored``: pixels and bits; 0 where
      the first part of a file (``peek_header``) ends before them.
    - ``modality``, ``body_part``, ``view_position``: upper case, ``""`` when not said in
      words that are known (``radiology.dicom.acceptance``).
    - ``patient_sex``: ``"F"``, ``"M"``, ``"O"`` or ``""``.
    - ``acquired_on``: the day of the first of ``ACQUISITION_DATES`` that gives one.
    - ``warnings``: what a person must look at, each ``{"code": ..., **facts}``; their
      sentences are in ``radiology.warnings``.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    body_part: str
    view_position: str
    photometric_interpretation: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    patient_birth_date: dt.date | None
    patient_age_years: int | None
    patient_sex: str
    acquired_on: dt.date | None
    warnings: list[dict]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A file that is accepted: its header, the elements that were read, its pixels."""

    header: Header
    structure: Structure
    dataset: Dataset
    module: PixelModule
    pixels: Pixels


def read_header(file: BinaryIO) -> Header:
    """The header of a whole DICOM file that is accepted; see :func:`inspect`."""
    return inspect(file).header


def inspect(file: BinaryIO, *, judged: bool = True) -> Inspection:
    """Parse and judge a whole DICOM file, and prove that its pixels fit its header.

    ``judged=False`` leaves out the rule of what is a frontal chest radiograph and the
    dates: enough to render any plain image. ``file`` is seekable and at most
    ``RADIOGRAPH_MAX_BYTES`` long; time and memory are bounded by its size. Raises a coded
    error of ``radiology.errors`` for every file that isn't acceptable, whatever it holds.
    """
    with file_blamed():
        return _inspect(file, judged=judged)


def peek_header(file: BinaryIO) -> Header:
    """The same header from a file's first bytes, without demanding that the rest is there.

    What lies behind the bytes given is empty or 0, and what only the whole file can show
    wrong is not refused.
    """
    with file_blamed():
        return _peek(file)


def _inspect(file: BinaryIO, *, judged: bool) -> Inspection:
    structure = scan(file)
    dataset = _wanted(structure)
    header = _header(structure, dataset, judged=judged)
    module = _pixel_module(dataset, header)
    return Inspection(header, structure, dataset, module, check_pixels(structure, module))


def _peek(file: BinaryIO) -> Header:
    structure = scan(file, partial=True)
    dataset = _wanted(structure)
    header = _header(structure, dataset, judged=True)
    if "Rows" in dataset and "Columns" in dataset and "BitsStored" in dataset:
        _pixel_module(dataset, header)
    return header


def _wanted(structure: Structure) -> Dataset:
    return wanted_elements(structure, KEPT | READ_ONLY)


def _header(structure: Structure, dataset: Dataset, *, judged: bool) -> Header:
    uids = {keyword: uid(dataset, keyword) for keyword in ("SOPClassUID", "SOPInstanceUID")}
    if structure.complete:
        for keyword, value in uids.items():
            if not value:
                raise MissingUidError(attribute=keyword)
    # What has not arrived yet can't be judged.
    warnings = judge(dataset, uids["SOPClassUID"]) if judged and structure.complete else []
    birth_date, acquired_on = _dates(dataset) if judged else (None, None)
    sex = text(dataset, "PatientSex")
    return Header(
        sop_instance_uid=uids["SOPInstanceUID"],
        series_instance_uid=uid(dataset, "SeriesInstanceUID"),
        study_instance_uid=uid(dataset, "StudyInstanceUID"),
        sop_class_uid=uids["SOPClassUID"],
        transfer_syntax_uid=str(structure.transfer_syntax),
        modality=_code(text(dataset, "Modality")),
        body_part=body_part(dataset),
        view_position=view_position(dataset),
        photometric_interpretation=text(dataset, "PhotometricInterpretation"),
        rows=integer(dataset, "Rows") or 0,
        columns=integer(dataset, "Columns") or 0,
        bits_allocated=integer(dataset, "BitsAllocated") or 0,
        bits_stored=integer(dataset, "BitsStored") or 0,
        patient_birth_date=birth_date,
        patient_age_years=age_years(dataset),
        patient_sex=sex if sex in ("F", "M", "O") else "",
        acquired_on=acquired_on,
        warnings=warnings,
    )


def _code(value: str) -> str:
    return value if re.fullmatch("[A-Z]{2,4}", value) else ""


def _dates(dataset: Dataset) -> tuple[dt.date | None, dt.date | None]:
    """Birth date and acquisition date. All dates must exist, and lie in the right order."""
    birth_date = date(dataset, "PatientBirthDate")
    acquired = [date(dataset, keyword) for keyword in ACQUISITION_DATES]
    acquired_on = next((day for day in acquired if day), None)
    # A day of grace: the file has no time zone.
    if acquired_on and acquired_on > timezone.localdate() + dt.timedelta(days=1):
        raise AcquisitionInFutureError
    if acquired_on and birth_date and birth_date > acquired_on:
        raise BirthDateAfterAcquisitionError
    return birth_date, acquired_on


def check_sides(rows: int, columns: int) -> None:
    """Raise :class:`TooManyPixelsError` or :class:`TooFewPixelsError` for what nobody reads."""
    limit = settings.RADIOGRAPH_MAX_SIDE
    if max(rows, columns) > limit:
        raise TooManyPixelsError(rows=rows, columns=columns, limit=limit)
    if min(rows, columns) < MIN_SIDE:
        raise TooFewPixelsError(rows=rows, columns=columns, limit=MIN_SIDE)


def _pixel_module(dataset: Dataset, header: Header) -> PixelModule:
    """The shape of the pixels, within the limits (PS3.3, C.7.6.3)."""
    frames = integer(dataset, "NumberOfFrames")
    if frames not in (None, 1):
        raise MultiFrameError(frames=frames)
    if integer(dataset, "SamplesPerPixel") not in (None, 1):
        raise NotGreyError
    photometric = header.photometric_interpretation
    if photometric not in GREY:
        if photometric.startswith(("RGB", "YBR", "PALETTE", "HSV", "ARGB", "CMYK")):
            raise NotGreyError
        raise PhotometricUnsupportedError(found=_code(photometric) or "?")
    if not header.rows or not header.columns:
        raise PixelSizeMismatchError
    check_sides(header.rows, header.columns)
    allocated, stored = header.bits_allocated, header.bits_stored
    high_bit = integer(dataset, "HighBit")
    if (
        allocated not in (8, 16)
        or not 8 <= stored <= allocated
        or high_bit not in (None, stored - 1)
    ):
        raise BitsUnsupportedError(allocated=allocated, stored=stored)
    representation = integer(dataset, "PixelRepresentation")
    if representation not in (0, 1):
        raise MalformedError
    return PixelModule(header.rows, header.columns, allocated, stored, representation == 1)
