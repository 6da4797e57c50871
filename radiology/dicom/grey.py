"""Grey levels: the formulas between a stored value and what the eye sees, one value at a time.

Every function takes a vector of values (one for each value that a pixel can have) and gives
a vector of the same length. DICOM PS3.3, C.11.1 (modality) and C.11.2 (values of interest).
"""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

from radiology.errors import MalformedError

from .attributes import numbers, text
from .tables import LookupTable, first_table

# Of the pixels, when the file says nothing of what to show: darkest and brightest shown.
PERCENTILES = (0.5, 99.5)


def modality_values(dataset: Dataset, stored: np.ndarray, *, little: bool) -> np.ndarray:
    """``stored`` values in the modality's unit: by table, else by slope and intercept."""
    table = first_table(dataset, "ModalityLUTSequence", little=little)
    if table:
        return _looked_up(table, stored)
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    if not slope or not slope[0]:
        slope = [1.0]
    return stored * slope[0] + (intercept[0] if intercept else 0.0)


def levels_of_interest(dataset: Dataset, values: np.ndarray, *, little: bool) -> np.ndarray | None:
    """Levels in [0, 1] by the first VOI table or else the first window; ``None`` without one.

    A table or window that can't be one is passed over: how to show an image is only advice.
    """
    try:
        table = first_table(dataset, "VOILUTSequence", little=little)
    except MalformedError:
        table = None
    if table:
        return _looked_up(table, values) / ((1 << table.bits) - 1)
    center, width = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not center or not width:
        return None
    return window(values, center[0], width[0], text(dataset, "VOILUTFunction") or "LINEAR")


def window(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray | None:
    """Levels in [0, 1] by a window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID" and width > 0:
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if function == "LINEAR" and width > 1:
        return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)
    if function == "LINEAR" and width == 1:
        return (values > center - 0.5).astype(np.float64)
    return None


def percentile_levels(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Levels in [0, 1] from the darkest to the brightest of ``PERCENTILES``.

    ``counts``: how many pixels have each of ``values``. An image of one value is black.
    """
    low, high = weighted_percentiles(values, counts, PERCENTILES)
    if not high > low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def weighted_percentiles(
    values: np.ndarray, counts: np.ndarray, percentiles: tuple[float, ...]
) -> list[float]:
    """The ``percentiles`` of the pixels; all 0 when there are none."""
    present = np.flatnonzero(counts)
    if not present.size:
        return [0.0] * len(percentiles)
    order = present[np.argsort(values[present], kind="stable")]
    reached = np.cumsum(counts[order])
    wanted = np.asarray(percentiles) / 100.0 * reached[-1]
    at = np.minimum(np.searchsorted(reached, wanted), order.size - 1)
    return [float(value) for value in values[order[at]]]


def _looked_up(table: LookupTable, values: np.ndarray) -> np.ndarray:
    entries = np.asarray(table.entries, np.float64)
    places = np.clip(np.rint(values) - table.first, 0, entries.size - 1)
    return entries[places.astype(np.intp)]
