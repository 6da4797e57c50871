"""Made-up chest radiographs, drawn by formulas: no pixel of them comes from a person.

    python scripts/made_up.py static/samples/pneumoniapp-made-up.dcm

writes the file that the first day offers to try. Screenshots and measurements take others,
with another ``seed``, with or without an opacity.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    generate_uid,
)

SIDE = 1024
LEVELS = 4095


def _soft(inside: np.ndarray, width: float) -> np.ndarray:
    """1 where ``inside`` is positive, 0 where negative, over an edge of ``width``."""
    return 1 / (1 + np.exp(-inside / width))


def _clouds(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth noise of about ``cells`` bumps a side, mean 0, deviation 1."""
    small = rng.normal(size=(cells, cells)).astype(np.float32)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return (large - large.mean()) / large.std()


def chest(seed: int = 0, *, opacity: float = 0.0) -> np.ndarray:
    """A chest from the front, uint16 (1024, 1024), 0 (air) to 4095.

    ``opacity`` in [0, 1] is the strength of a blurred shadow in the lower lung on the left of
    the image.
    """
    rng = np.random.default_rng(seed)
    side = SIDE // 2
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    wide, high = 1 + rng.normal(0, 0.03, 2)
    x, y = x / wide + rng.normal(0, 0.015), y / high + rng.normal(0, 0.015)
    bend = x + 0.02 * np.sin(2 * y + rng.uniform(0, 6))

    # Trunk, neck and shoulders, with the arms beside them.
    shoulder = -0.93 + 0.75 * np.maximum(np.abs(x) - 0.28, 0) ** 1.9
    trunk = _soft(np.minimum(0.98 - np.abs(x) * (1 - 0.06 * y), y - shoulder), 0.012)
    neck = _soft(0.27 - np.abs(x), 0.02) * (y < -0.4)
    body = np.maximum(trunk, neck)
    image = body * (0.62 + 0.1 * y + 0.1 * np.abs(x) ** 3)

    # Lungs between apex, chest wall, mediastinum and diaphragm.
    lungs = np.zeros_like(x)
    for place in (-1, 1):
        u = place * x
        wall = 0.83 - 0.33 * np.maximum(0.25 - y, 0) ** 1.9 + 0.02 * y
        dome = (0.62 if place < 0 else 0.68) - 0.17 * np.exp(-(((u - 0.38) / 0.26) ** 2))
        dome = dome + 0.5 * np.maximum(u - 0.45, 0) ** 1.4
        heart = 0.13 + (0.05 if place < 0 else 0.24) * np.exp(-(((y - 0.38) / 0.27) ** 2))
        apex = y + 0.83 - 1.6 * (u - 0.28) ** 2
        edges = np.minimum.reduce([wall - u, dome - y, u - heart, apex])
        lungs = np.maximum(lungs, _soft(edges, 0.016))
    image -= lungs * (0.43 + 0.04 * _clouds(rng, side, 5))

    # Vessels: branching streaks that thin out from the hilum.
    streaks = (
        np.maximum(_clouds(rng, side, 26), 0) * 0.5 + np.maximum(_clouds(rng, side, 60), 0) * 0.3
    )
    for place in (-1, 1):
        reach = np.exp(-(np.hypot((place * x - 0.2) / 0.3, (y + 0.02) / 0.45) ** 1.3))
        image += lungs * reach * (0.06 * streaks + 0.1 * reach**2)

    # Ribs behind (falling outwards) and before (rising), clavicles, spine.
    for number in range(9):
        top = -0.86 + 0.155 * number
        for place in (-1, 1):
            u = place * x
            arc = top + 0.32 * u**2 + 0.09 * u - 0.03 * number * (u - 0.3) ** 2
            band = np.exp(-(((y - arc) / 0.024) ** 4)) * _soft(0.82 - u, 0.02) * (u > 0.04)
            image += 0.045 * band * body
            arc = top + 0.22 + 0.34 * (0.8 - u)
            band = (
                np.exp(-(((y - arc) / 0.022) ** 4)) * _soft(0.8 - u, 0.02) * _soft(u - 0.35, 0.05)
            )
            image += 0.022 * band * body
    for place in (-1, 1):
        u = place * x
        line = -0.63 - 0.18 * (u - 0.1) + 0.05 * np.sin(5 * u)
        image += (
            0.1 * np.exp(-(((y - line) / 0.026) ** 4)) * _soft(0.78 - u, 0.03) * (u > 0.07) * body
        )
    spine = np.exp(-((bend / 0.085) ** 4))
    image += spine * body * (0.1 + 0.02 * np.sin(y * 42))
    image -= 0.1 * np.exp(-((bend / 0.028) ** 2)) * _soft(-y - 0.1, 0.05) * body  # windpipe

    if opacity:
        cloud = np.exp(-(np.hypot((x + 0.45) / 0.22, (y - 0.25) / 0.22) ** 2.2))
        image += opacity * cloud * lungs * (0.3 + 0.05 * _clouds(rng, side, 18))

    image = cv2.resize(
        (image + 0.01 * _clouds(rng, side, 120) * body).astype(np.float32), (SIDE, SIDE)
    )
    image += cv2.GaussianBlur(rng.normal(0, 0.012, image.shape).astype(np.float32), (0, 0), 1.1)
    return np.round(np.clip(image * 1.05, 0, 1) * LEVELS).astype(np.uint16)


def dicom(
    pixels: np.ndarray, seed: int = 0, *, day: str = "20240115", sex: str = "", birth: str = ""
) -> bytes:
    """``pixels`` as the DICOM file of a CR chest PA that says of itself that it is made up."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for number, name in enumerate(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")):
        setattr(dataset, name, generate_uid(entropy_srcs=[f"made up {seed} {number}"]))
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.DerivationDescription = "Made up: drawn by formulas, no person's radiograph"
    dataset.Manufacturer = "PneumoniApp, made up"
    dataset.StudyDate = dataset.AcquisitionDate = day
    dataset.StudyTime = dataset.AcquisitionTime = "101500"
    dataset.AccessionNumber = dataset.StudyID = dataset.ReferringPhysicianName = ""
    dataset.Modality = "CR"
    dataset.PatientName = "Made up^"
    dataset.PatientID = "MADE-UP"
    dataset.PatientBirthDate, dataset.PatientSex = birth, sex
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST", "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.ImagerPixelSpacing = [0.35, 0.35]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def sample() -> bytes:
    """The file that a doctor without one at hand may try: smaller, and compressed losslessly."""
    small = cv2.resize(chest(2041, opacity=0.8), (640, 640), interpolation=cv2.INTER_AREA)
    dataset = dcmread(io.BytesIO(dicom(small, 2041)))
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(sample())
