"""Generated DICOM chest radiographs and stored radiographs, for tests. No real pixel is in them."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from functools import lru_cache

import cv2
import factory
import numpy as np
from django.core.files.base import ContentFile
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from radiology.models import Radiograph
from tests.patients.factories import PatientFactory

UNCOMPRESSED = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
BY_PYDICOM = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K)


@lru_cache(maxsize=64)
def _chest(rows: int, columns: int, seed: int) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = np.clip(1.25 - (x / 0.95) ** 8 - (y / 1.3) ** 10, 0, 1) * 0.75
    for side in (-1, 1):
        body -= 0.5 * np.exp(-((((x - side * 0.42) / 0.3) ** 2 + ((y + 0.05) / 0.6) ** 2) ** 2))
    body += 0.3 * np.exp(-((x / 0.12) ** 2)) + 0.05 * np.sin(14 * y + 6 * x * x) * (np.abs(x) < 0.8)
    noise = np.random.default_rng(seed).normal(0, 0.01, body.shape)
    image = cv2.GaussianBlur(np.clip(body + noise, 0, 1), (0, 0), 0.8)
    image.setflags(write=False)
    return image


def chest_pixels(
    rows: int = 256,
    columns: int = 224,
    *,
    bits_stored: int = 12,
    signed: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Two dark lungs in a bright chest: (rows, columns), 0 (air) to the largest stored value.

    ``uint8`` up to 8 bits, else ``uint16``; signed ones start at the smallest stored value.
    """
    image = _chest(rows, columns, seed) * ((1 << bits_stored) - 1)
    if signed:
        image = image - (1 << (bits_stored - 1))
        return image.astype(np.int8 if bits_stored <= 8 else np.int16)
    return image.astype(np.uint8 if bits_stored <= 8 else np.uint16)


def dicom_dataset(
    *,
    pixels: np.ndarray | None = None,
    rows: int = 256,
    columns: int = 224,
    bits_stored: int | None = None,
    seed: int = 0,
    transfer_syntax: str = ExplicitVRLittleEndian,
    **attributes,
) -> Dataset:
    """A CR chest PA of 2024-01-15 as a dataset with file meta information, not yet encoded.

    ``attributes`` are DICOM keywords (``Modality="DX"``); ``None`` takes one away. ``pixels``
    are the stored values (2-D, 8 or 16 bit), generated if not given.
    """
    if pixels is None:
        default_bits = 8 if transfer_syntax == JPEGBaseline8Bit else 12
        pixels = chest_pixels(rows, columns, bits_stored=bits_stored or default_bits, seed=seed)
        bits_stored = bits_stored or default_bits
    allocated = pixels.dtype.itemsize * 8
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid(prefix=None)
    dataset.StudyDate = dataset.AcquisitionDate = "20240115"
    dataset.StudyTime = dataset.AcquisitionTime = "101500"
    dataset.AccessionNumber = "ACC-0001"
    dataset.Modality = "CR"
    dataset.Manufacturer = "Generated"
    dataset.InstitutionName = "Hôpital d'essai"
    dataset.ReferringPhysicianName = "Essai^Prescripteur"
    dataset.PatientName = "Essai^Personne"
    dataset.PatientID = "ESSAI-1"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.StudyInstanceUID = generate_uid(prefix=None)
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.PatientOrientation = ["L", "F"]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = allocated
    dataset.BitsStored = bits_stored or allocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    for keyword, value in attributes.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    _encode(dataset, pixels, transfer_syntax)
    if "PixelData" in attributes:
        if attributes["PixelData"] is None:
            del dataset.PixelData
        else:
            dataset.PixelData = attributes["PixelData"]
    return dataset


def _encode(dataset: Dataset, pixels: np.ndarray, transfer_syntax: str) -> None:
    """Put ``pixels`` into ``dataset`` in ``transfer_syntax``, if an encoder is at hand."""
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    if transfer_syntax in UNCOMPRESSED:
        pass
    elif transfer_syntax in BY_PYDICOM:
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    else:
        dataset.PixelData = encapsulate([_stream(pixels, transfer_syntax, dataset.BitsStored)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    if transfer_syntax in LOSSY:
        dataset.LossyImageCompression = "01"
    dataset.file_meta.TransferSyntaxUID = transfer_syntax


def _stream(pixels: np.ndarray, transfer_syntax: str, bits: int) -> bytes:
    """``pixels`` as a stream that pydicom can't make (``bits`` is its precision)."""
    if transfer_syntax == JPEGBaseline8Bit:
        return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    import imagecodecs

    raw = pixels.view(f"u{pixels.dtype.itemsize}") & ((1 << bits) - 1)
    raw = np.ascontiguousarray(raw.astype(pixels.dtype.str.replace("i", "u")))
    if transfer_syntax == JPEGExtended12Bit:
        return imagecodecs.jpeg8_encode(raw, 98, bitspersample=12 if bits > 8 else 8)
    if transfer_syntax == JPEGLosslessSV1:
        return imagecodecs.jpeg8_encode(raw, lossless=True, predictor=1, bitspersample=bits)
    if transfer_syntax == JPEGLossless:
        return imagecodecs.jpeg8_encode(raw, lossless=True, predictor=6, bitspersample=bits)
    if transfer_syntax == JPEGLSNearLossless:
        return imagecodecs.jpegls_encode(raw, level=2)
    if transfer_syntax == JPEG2000:
        return imagecodecs.jpeg2k_encode(raw, level=60, codecformat="j2k", bitspersample=bits)
    lossy = {"reversible": False, "level": 0.001} if transfer_syntax == HTJ2K else {}
    return imagecodecs.htj2k_encode(raw, **({"reversible": True} | lossy))


def to_bytes(dataset: Dataset, *, preamble: bytes = b"\0" * 128, meta: bool = True) -> bytes:
    """The DICOM Part 10 file of ``dataset``. ``preamble=b""`` leaves preamble and prefix out;
    ``meta=False`` leaves the file meta information out too (a bare data set)."""
    out = io.BytesIO()
    syntax = dataset.file_meta.TransferSyntaxUID
    if meta:
        dcmwrite(out, dataset, enforce_file_format=True)
        whole = out.getvalue()
        return preamble + b"DICM" + whole[132:] if preamble else whole[132:]
    dcmwrite(
        out,
        Dataset(dataset),
        enforce_file_format=False,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=True,
    )
    return out.getvalue()


def dicom_bytes(**overrides) -> bytes:
    """The bytes of a valid DICOM chest radiograph; see :func:`dicom_dataset` for ``overrides``.

    Each call makes a new SOP Instance UID unless ``SOPInstanceUID`` is given.
    """
    return to_bytes(dicom_dataset(**overrides))


class RadiographFactory(factory.django.DjangoModelFactory):
    """A stored radiograph with its file; ``patient`` may be given, the doctor follows from it."""

    class Meta:
        model = Radiograph

    patient = factory.SubFactory(PatientFactory)
    owner = factory.LazyAttribute(lambda o: o.patient.owner)
    uploaded_by = factory.LazyAttribute(lambda o: o.patient.owner)
    acquired_on = dt.date(2024, 1, 15)
    sop_instance_uid = factory.LazyFunction(lambda: str(generate_uid(prefix=None)))
    series_instance_uid = factory.LazyFunction(lambda: str(generate_uid(prefix=None)))
    study_instance_uid = factory.LazyFunction(lambda: str(generate_uid(prefix=None)))
    sop_class_uid = str(ComputedRadiographyImageStorage)
    transfer_syntax_uid = str(ExplicitVRLittleEndian)
    modality = "CR"
    view_position = "PA"
    photometric_interpretation = "MONOCHROME2"
    rows = 256
    columns = 224
    bits_stored = 12
    text_state = "not_found"
    file = factory.LazyAttribute(
        lambda o: ContentFile(
            dicom_bytes(
                rows=o.rows,
                columns=o.columns,
                bits_stored=o.bits_stored,
                SOPInstanceUID=o.sop_instance_uid,
                SeriesInstanceUID=o.series_instance_uid,
                StudyInstanceUID=o.study_instance_uid,
                SOPClassUID=o.sop_class_uid,
                Modality=o.modality,
                ViewPosition=o.view_position,
                PhotometricInterpretation=o.photometric_interpretation,
                PatientName="",
                PatientID="",
                AccessionNumber="",
                ReferringPhysicianName="",
                InstitutionName=None,
            ),
            name="image.dcm",
        )
    )
    size = factory.LazyAttribute(lambda o: o.file.size)
    sha256 = factory.LazyAttribute(lambda o: hashlib.sha256(o.file.open().read()).hexdigest())
    pixel_sha256 = factory.LazyAttribute(
        lambda o: hashlib.sha256(o.sop_instance_uid.encode()).hexdigest()
    )
