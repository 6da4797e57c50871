"""A rectangle that a doctor draws on a radiograph, as shares of the stored image."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from .errors import ReviewRegionInvalidError

# Shares are kept to so many decimals: a third of a pixel of 3,000.
DECIMALS = 4


def region_checked(values: Sequence[float] | None) -> list[float] | None:
    """``[left, top, right, bottom]``, each in [0, 1] from the image's upper left corner.

    Left is before right and top above bottom; rounded. ``None`` stays: nothing is drawn.
    Raises :class:`ReviewRegionInvalidError`.
    """
    if values is None:
        return None
    if len(values) != 4 or not all(isfinite(value) and 0 <= value <= 1 for value in values):
        raise ReviewRegionInvalidError
    left, top, right, bottom = (round(float(value), DECIMALS) for value in values)
    if left >= right or top >= bottom:
        raise ReviewRegionInvalidError
    return [left, top, right, bottom]


def region_read(text: str) -> list[float] | None:
    """The region that a form sends: four numbers with commas between; empty for none."""
    if not text.strip():
        return None
    try:
        return region_checked([float(value) for value in text.split(",")])
    except ValueError as error:
        raise ReviewRegionInvalidError from error


def region_text(region: Sequence[float] | None) -> str:
    """What :func:`region_read` reads."""
    return ",".join(f"{value:.{DECIMALS}f}" for value in region) if region else ""
