"""Sound files that hostile ones are made of: small generated ones, and real ones where they are."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
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

from tests.radiology.factories import dicom_dataset, to_bytes

from .anatomy import Anatomy, dissect

ROOT = Path(__file__).resolve().parent.parent.parent
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2K,
)


@lru_cache
def generated() -> tuple[Anatomy, ...]:
    """One file in each accepted transfer syntax, with everything in it that is read."""
    return tuple(_generated(syntax, seed) for seed, syntax in enumerate(SYNTAXES))


def _generated(syntax: str, seed: int) -> Anatomy:
    dataset = dicom_dataset(
        rows=80,
        columns=72,
        seed=seed,
        transfer_syntax=syntax,
        SOPInstanceUID=f"1.2.826.0.1.{seed + 1}",
        StudyInstanceUID="1.2.826.0.2",
        SeriesInstanceUID="1.2.826.0.3",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientBirthDate="19500102",
        PatientSex="F",
        PatientAge="074Y",
        NumberOfFrames="1",
        PixelPaddingValue=3,
        WindowCenter=[2048, 100],
        WindowWidth=[4096, 10],
        VOILUTFunction="LINEAR",
        ModalityLUTSequence=[_table(4096, 16)] if seed % 3 else None,
        VOILUTSequence=[_table(4096, 12)] if seed % 3 == 2 else None,
        ViewCodeSequence=[_code("399348003", "SCT")],
        AnatomicRegionSequence=[_code("51185008", "SCT")],
        BurnedInAnnotation="NO",
        ImagerPixelSpacing=[0.143, 0.143],
    )
    if seed % 2:
        for keyword in ("AnatomicRegionSequence", "ViewCodeSequence"):
            dataset[keyword].is_undefined_length = True
            dataset[keyword].value[0].is_undefined_length_sequence_item = True
    dataset.add_new(0x00091010, "LO", "a private value")
    dataset.add_new(0x60000010, "US", 8)
    return dissect(syntax.name, to_bytes(dataset))


def _table(count: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [count, 0, bits])
    step = (1 << bits) // count
    item.add_new(0x00283006, "OW", struct.pack(f"<{count}H", *range(0, count * step, step)))
    return item


def _code(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "meaning"
    return item


def data_folder() -> Path:
    return Path(os.environ.get("PNEUMONIAPP_DATA", ROOT.parent / "shared" / "data"))


@lru_cache
def real(folder: Path | None = None) -> tuple[Anatomy, ...]:
    """The real radiographs of many makers and syntaxes in ``dicom/varied``; none if not there.

    What their headers say of the body is changed, so that no file is refused for that alone.
    """
    paths = sorted((folder or data_folder()).glob("dicom/varied/**/*.dcm"))
    return tuple(dissect(path.stem, _as_chest(path)) for path in paths)


def _as_chest(path: Path) -> bytes:
    dataset = dcmread(path)
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST", "PA"
    for keyword in ("ViewCodeSequence", "AnatomicRegionSequence"):
        if keyword in dataset:
            del dataset[keyword]
    return to_bytes(dataset)
