"""All grey values of a radiograph, for a viewer that sets the window itself. Worker only.

The web process must never decode hostile pixels, and a browser can decode neither DICOM nor
more than 8 bits of a PNG. So the worker writes this file, gzip-compressed:

======  =====================================================================================
bytes   hold
======  =====================================================================================
4       ``PND1``
4       length of the facts, unsigned, little-endian
...     the facts, JSON in UTF-8 (:func:`viewer_facts`)
pixels  the high bytes of the coded samples, row by row
pixels  the low bytes
======  =====================================================================================

A sample is 16 bits, unsigned: ``value = scale * sample + offset`` in the modality's unit,
exactly. It is coded as its difference from the sample to its left (0 for the first of a row),
modulo 65,536, in zigzag (0, -1, 1, -2, ...): that halves the bytes and the time to compress them
(``docs/decisions/0009-a-viewer-of-our-own.md``).
"""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import zlib

import numpy as np
from pydicom import Dataset

from radiology.errors import MalformedError

from .attributes import numbers, text, texts
from .deidentify import CODES, ORIENTATION
from .grey import PERCENTILES, weighted_percentiles, window
from .header import Inspection
from .render import Greys, advised_levels, grey_values, is_flat
from .tables import LookupTable, first_table

MAGIC = b"PND1"
# Percentiles of the pixels between which a preset spreads its greys. Lung is what is dark on
# the image and bone what is bright: a radiograph's values have no unit that organs could be
# told by. What is black or white (collimated borders, letters) is neither.
LUNG = (0.5, 65.0)
BONE = (35.0, 99.5)
MARGIN = 0.03
# Millimetres between two pixels that a radiograph can have.
SPACING_RANGE = (0.01, 10.0)
CURVE_POINTS = 256


def encode_depth(inspection: Inspection, stored: np.ndarray) -> bytes:
    """``stored`` values (rows, columns) with the facts a viewer needs, as described above."""
    greys = grey_values(inspection, stored)
    samples, scale, offset = _samples(inspection, greys)
    facts = viewer_facts(inspection, greys) | {"scale": scale, "offset": offset}
    header = json.dumps(facts, allow_nan=False, separators=(",", ":")).encode()
    steps = np.diff(samples, axis=1, prepend=np.uint16(0)).view(np.int16)
    coded = ((steps << 1) ^ (steps >> 15)).view(np.uint16)
    # Runs alone: nearly as small as by searching, and four times as fast.
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return b"".join(
        (
            packer.compress(MAGIC + struct.pack("<I", len(header)) + header),
            packer.compress((coded >> 8).astype(np.uint8).tobytes()),
            packer.compress((coded & 0xFF).astype(np.uint8).tobytes()),
            packer.flush(),
        )
    )


def decode_depth(content: bytes) -> tuple[dict, np.ndarray]:
    """The facts and the samples (``uint16``, rows x columns) of :func:`encode_depth`."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        if file.read(4) != MAGIC:
            raise ValueError("not a file of full depth")
        facts = json.loads(file.read(struct.unpack("<I", file.read(4))[0]))
        planes = np.frombuffer(file.read(), np.uint8).reshape(2, facts["rows"], facts["columns"])
    coded = planes[0].astype(np.uint16) << 8 | planes[1]
    steps = (coded >> 1) ^ (0 - (coded & 1)).astype(np.uint16)
    return facts, np.cumsum(steps, axis=1, dtype=np.uint16)


def viewer_facts(inspection: Inspection, greys: Greys) -> dict:
    """What a viewer must know beside the samples.

    - ``rows``, ``columns``, ``bits``; ``invert``: the smallest value is white;
    - ``padding``: the first and last sample that is none of the image, or ``None``;
    - ``windows``: those of the file, the first being its advice, each ``center``, ``width``
      (modality's unit; as PS3.3, C.11.2.1.2.1 counts them) and ``function``: ``LINEAR``,
      ``SIGMOID``, or ``TABLE`` with its ``curve`` (256 levels of 0 to 255 across the window);
    - ``presets``: windows for ``auto``, ``lung`` and ``bone`` by the values of this image;
    - ``spacing``: :func:`pixel_spacing`;
    - ``view``, ``laterality``, ``orientation`` (to the right, to the bottom; PS3.3, C.7.6.1.1.1).
    """
    dataset, header = inspection.dataset, inspection.header
    inverted = header.photometric_interpretation == "MONOCHROME1"
    orientation = texts(dataset, "PatientOrientation")
    if len(orientation) != 2 or not all(ORIENTATION.fullmatch(word) for word in orientation):
        orientation = None
    laterality = text(dataset, "ImageLaterality")
    return {
        "format": 1,
        "rows": header.rows,
        "columns": header.columns,
        "bits": header.bits_stored,
        "invert": inverted,
        "padding": _padding_samples(inspection, greys),
        "windows": _windows(inspection, greys),
        "presets": {
            "auto": _between(greys, PERCENTILES),
            "lung": _between(greys, LUNG, mirrored=inverted),
            "bone": _between(greys, BONE, mirrored=inverted),
        },
        "spacing": pixel_spacing(dataset),
        "view": header.view_position,
        "laterality": laterality if laterality in CODES["ImageLaterality"] else "",
        "orientation": orientation,
    }


def pixel_spacing(dataset: Dataset) -> dict | None:
    """Millimetres between rows and between columns, and what they hold for; ``None`` if unknown.

    PS3.3, 10.7.1.3 and C.8.7.3. ``kind``: ``calibrated`` (Pixel Spacing corrected for the
    magnification: it says how, or differs from Imager Pixel Spacing), ``detector`` (at the
    detector, where all is larger than in the body), or ``unsaid`` (Pixel Spacing alone).
    """
    imager, pixel = (_pair(dataset, name) for name in ("ImagerPixelSpacing", "PixelSpacing"))
    calibration = text(dataset, "PixelSpacingCalibrationType")
    if calibration not in CODES["PixelSpacingCalibrationType"]:
        calibration = ""
    if pixel and (calibration or (imager and pixel != imager)):
        found, attribute, kind = pixel, "PixelSpacing", "calibrated"
    elif imager:
        found, attribute, kind = imager, "ImagerPixelSpacing", "detector"
    elif pixel:
        found, attribute, kind = pixel, "PixelSpacing", "unsaid"
    else:
        return None
    return {
        "row": found[0],
        "column": found[1],
        "attribute": attribute,
        "kind": kind,
        "calibration": calibration if kind == "calibrated" else "",
    }


def _pair(dataset: Dataset, keyword: str) -> list[float] | None:
    found = numbers(dataset, keyword)
    low, high = SPACING_RANGE
    return found if len(found) == 2 and all(low <= value <= high for value in found) else None


def _samples(inspection: Inspection, greys: Greys) -> tuple[np.ndarray, float, float]:
    """Samples (``uint16``) with ``scale`` and ``offset``.

    By slope and intercept they are the stored values moved to begin at 0, by a modality
    table what the table gives.
    """
    table = np.zeros(1 << (8 * greys.container.dtype.itemsize), np.uint16)
    if _modality_table(inspection):
        table[greys.places] = np.rint(greys.shown)
        return table[greys.container], 1.0, 0.0
    table[greys.places] = np.arange(greys.places.size)
    offset = float(greys.shown[0])
    scale = float(greys.shown[-1] - greys.shown[0]) / (greys.places.size - 1)
    return table[greys.container], scale, offset


def _modality_table(inspection: Inspection) -> LookupTable | None:
    little = inspection.structure.little
    return first_table(inspection.dataset, "ModalityLUTSequence", little=little)


def _padding_samples(inspection: Inspection, greys: Greys) -> list[int] | None:
    found = np.flatnonzero(greys.padding)
    # A table may give padding and image the same value: then it can't be told apart.
    if not found.size or _modality_table(inspection):
        return None
    return [int(found[0]), int(found[-1])]


def _windows(inspection: Inspection, greys: Greys) -> list[dict]:
    """The file's windows under which something is seen, its advice first; else none."""
    if advised_levels(inspection, greys) is None:
        return []
    dataset, found = inspection.dataset, []
    try:
        table = first_table(dataset, "VOILUTSequence", little=inspection.structure.little)
    except MalformedError:
        table = None
    if table:
        found.append(_table_window(table))
    function = text(dataset, "VOILUTFunction") or "LINEAR"
    pairs = zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False)
    for center, width in pairs:
        with np.errstate(all="ignore"):
            level = window(greys.shown, center, width, function)
        if level is None or is_flat(level, greys.counts):
            continue
        if function == "LINEAR_EXACT":
            # The same by the formula of LINEAR, which the viewer uses.
            center, width = center + 0.5, width + 1.0
        kind = "SIGMOID" if function == "SIGMOID" else "LINEAR"
        found.append({"center": center, "width": width, "function": kind})
    return found


def _table_window(table: LookupTable) -> dict:
    """A VOI table as a window over the part where it changes, with its curve."""
    entries = np.asarray(table.entries, np.float64) / ((1 << table.bits) - 1)
    changes = np.flatnonzero(np.diff(entries))
    first, last = (int(changes[0]), int(changes[-1]) + 1) if changes.size else (0, 1)
    places = np.linspace(first, last, CURVE_POINTS)
    curve = np.rint(255 * np.interp(places, np.arange(entries.size), entries)).astype(int)
    ends = table.first + first, table.first + last
    return _window_between(*ends) | {"function": "TABLE", "curve": curve.tolist()}


def _between(greys: Greys, percentiles: tuple[float, float], *, mirrored: bool = False) -> dict:
    """The window from one percentile of the pixels to another, counted from the darkest."""
    ends = weighted_percentiles(greys.shown, greys.counts, PERCENTILES)
    if percentiles != PERCENTILES:
        if mirrored:
            percentiles = (100.0 - percentiles[1], 100.0 - percentiles[0])
        margin = MARGIN * (ends[1] - ends[0])
        inside = (greys.shown > ends[0] + margin) & (greys.shown < ends[1] - margin)
        if greys.counts[inside].any():
            ends = weighted_percentiles(greys.shown, np.where(inside, greys.counts, 0), percentiles)
    return _window_between(*ends) | {"function": "LINEAR"}


def _window_between(low: float, high: float) -> dict:
    """The linear window that is black at ``low`` and white at ``high`` (PS3.3, C.11.2.1.2.1)."""
    width = max(high - low, 0.0) + 1.0
    center = (low + high) / 2 + 0.5
    if not math.isfinite(center) or not math.isfinite(width):
        center, width = 0.0, 1.0
    return {"center": center, "width": width}
