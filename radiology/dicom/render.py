"""The 8-bit image that pages, models and training see. Worker and commands only.

The order is fixed (DICOM PS3.3, C.11.1, C.11.2, C.7.6.3.1.2; PS3.4, N.2): stored values ->
modality LUT or rescale -> VOI LUT or window, else percentiles -> MONOCHROME1 inverted ->
8 bits. It is worked out once for every value that a pixel can have, and the image is
looked up in that table.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from pydicom import Dataset, dcmwrite

from radiology.errors import BlankImageError, UndecodableError

from .attributes import integer
from .decode import stored_values
from .grey import (
    PERCENTILES,
    levels_of_interest,
    modality_values,
    percentile_levels,
    weighted_percentiles,
)
from .header import Inspection, inspect

# The grid of pixels that stands for the image when brightness is measured: at most this many
# rows and columns.
SAMPLE_SIDE = 1024
# Fewer grey levels than this between the percentiles show nothing. The real radiographs that
# it was chosen by (150 chest CR of 8 bits, ten others of 8 to 15 bits) have 128 or more.
MIN_LEVELS = 32
MAX = np.finfo(np.float32).max


def render(source: str | os.PathLike | BinaryIO | Dataset) -> np.ndarray:
    """``source`` as it is to be seen: ``uint8`` (rows, columns), 0 is black.

    ``source``: a path, a seekable file or a data set with file meta information. Any plain
    grey single-frame image is rendered, chest or not. Raises the coded errors of
    ``radiology.errors`` (``UndecodableError`` and those of the structure and the pixels).
    """
    if isinstance(source, Dataset):
        buffer = io.BytesIO()
        dcmwrite(buffer, source, enforce_file_format=True)
        return render(buffer)
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            return render(file)
    inspection = inspect(source, judged=False)
    return rendered(inspection, stored_values(inspection))


def encode_preview(image: np.ndarray, *, max_side: int = 1024, quality: int = 90) -> bytes:
    """``image`` (``uint8``, rows x columns) as a JPEG whose longer side is at most ``max_side``."""
    ok, data = cv2.imencode(".jpg", shrunk(image, max_side), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise UndecodableError
    return data.tobytes()


def shrunk(image: np.ndarray, max_side: int) -> np.ndarray:
    """``image``, (H, W) or (H, W, 3), with a longer side of ``max_side`` at most."""
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def check_contrast(image: np.ndarray) -> None:
    """Raise :class:`BlankImageError` unless the rendered ``image`` (``uint8``) shows something.

    A file of one value, or of a few around it, has few levels however far rendering spreads
    them; a small mark on a blank image lies outside the percentiles.
    """
    counts = _counts(image)
    low, high = weighted_percentiles(np.arange(256), counts, PERCENTILES)
    if np.count_nonzero(counts[int(low) : int(high) + 1]) < MIN_LEVELS:
        raise BlankImageError


def rendered(inspection: Inspection, stored: np.ndarray) -> np.ndarray:
    """``stored`` values (rows, columns; 8 or 16 bits) as ``uint8``, by the header's rules.

    Padding (PS3.3, C.7.5.1.1.2) is black. A window or table under which nothing of the
    image can be told apart is passed over.
    """
    greys = grey_values(inspection, stored)
    level = advised_levels(inspection, greys)
    if level is None:
        with np.errstate(all="ignore"):
            level = percentile_levels(greys.shown, greys.counts)
    if inspection.header.photometric_interpretation == "MONOCHROME1":
        level = 1.0 - level
    level[greys.padding] = 0.0
    table = np.zeros(1 << (8 * greys.container.dtype.itemsize), np.uint8)
    table[greys.places] = np.rint(level * 255.0)
    return cv2.LUT(greys.container, table)


@dataclass(frozen=True, slots=True)
class Greys:
    """Every value that a pixel can have, from the smallest, and how often it comes.

    - ``container``: the pixels as they lie in memory, (rows, columns), unsigned;
    - ``places``: each value as such a container; ``shown``: the same in the modality's unit;
    - ``counts``: pixels of a regular grid with each value, padding not counted;
    - ``padding``: which values are padding.
    """

    container: np.ndarray
    places: np.ndarray
    shown: np.ndarray
    counts: np.ndarray
    padding: np.ndarray


def grey_values(inspection: Inspection, stored: np.ndarray) -> Greys:
    """What ``stored`` values mean (PS3.3, C.11.1), worked out once for each of them."""
    container = np.ascontiguousarray(stored).view(f"u{stored.dtype.itemsize}")
    values = _possible_values(inspection, stored.dtype)
    places = values.view(container.dtype)
    padding = _padding(inspection, values)
    counts = _counts(container)[places]
    counts[padding] = 0
    little = inspection.structure.little
    with np.errstate(all="ignore"):
        shown = modality_values(inspection.dataset, values.astype(np.float64), little=little)
    shown = np.nan_to_num(shown, posinf=MAX, neginf=-MAX)
    return Greys(container, places, shown, counts, padding)


def advised_levels(inspection: Inspection, greys: Greys) -> np.ndarray | None:
    """Levels in [0, 1] as the file advises; ``None`` where that is nothing, or shows nothing."""
    with np.errstate(all="ignore"):
        level = levels_of_interest(
            inspection.dataset, greys.shown, little=inspection.structure.little
        )
    return None if level is None or is_flat(level, greys.counts) else level


def _possible_values(inspection: Inspection, dtype: np.dtype) -> np.ndarray:
    """Every value that Bits Stored allows, from the smallest."""
    bits = min(inspection.module.bits_stored, 8 * dtype.itemsize)
    low = -(1 << (bits - 1)) if inspection.module.signed else 0
    return np.arange(low, low + (1 << bits)).astype(dtype)


def _counts(container: np.ndarray) -> np.ndarray:
    """How many pixels of a regular grid have each value."""
    size = 1 << (8 * container.dtype.itemsize)
    step = [-(-side // SAMPLE_SIDE) for side in container.shape]
    grid = np.ascontiguousarray(container[:: step[0], :: step[1]])
    return cv2.calcHist([grid], [0], None, [size], [0, size]).ravel().astype(np.int64)


def is_flat(level: np.ndarray, counts: np.ndarray) -> bool:
    """Whether nearly all pixels are shown alike although they are not."""
    low, high = weighted_percentiles(level, counts, PERCENTILES)
    return high - low < 1 / 255


def _padding(inspection: Inspection, values: np.ndarray) -> np.ndarray:
    """Which of ``values`` are Pixel Padding Value (0028,0120) or in the range up to its limit."""
    ends = [
        integer(inspection.dataset, keyword)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
    ]
    if ends[0] is None:
        return np.zeros(values.size, bool)
    # Written as US or SS, whichever the writer took: read as what the pixels are.
    ends = [np.int64(end & 0xFFFF).astype(values.dtype) for end in ends if end is not None]
    return (values >= min(ends)) & (values <= max(ends))
