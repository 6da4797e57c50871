"""Where the radiologists of the challenge saw an opacity: a second target for training."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .errors import DatasetInvalidError

# Boxes without the size of their image are in pixels of the challenge's originals.
ORIGINAL_SIDE = 1024
MASK_SIDE = 128


def read_boxes(path: Path) -> dict[str, np.ndarray]:
    """The boxes by image id: float (n, 4), left, top, width and height as shares of the image.

    ``path`` is a CSV with ``image_id`` (or ``patientId``), ``x``, ``y``, ``width``, ``height`` and
    maybe ``rows`` and ``columns``; rows without a box are skipped. Raises
    :class:`DatasetInvalidError`.
    """
    found: dict[str, list] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if not row["x"]:
                    continue
                columns = float(row.get("columns") or ORIGINAL_SIDE)
                rows = float(row.get("rows") or ORIGINAL_SIDE)
                box = [
                    float(row["x"]) / columns,
                    float(row["y"]) / rows,
                    float(row["width"]) / columns,
                    float(row["height"]) / rows,
                ]
                found.setdefault(row.get("image_id") or row["patientId"], []).append(box)
    except (OSError, KeyError, ValueError) as error:
        raise DatasetInvalidError(reason=f"{path.name} cannot be read") from error
    return {name: np.array(boxes) for name, boxes in found.items()}


def box_mask(boxes: np.ndarray | None) -> np.ndarray:
    """``boxes`` (n, 4) painted: float32 (MASK_SIDE, MASK_SIDE), 1 inside a box, else 0."""
    mask = np.zeros((MASK_SIDE, MASK_SIDE), np.float32)
    for left, top, width, height in boxes if boxes is not None else ():
        rows = slice(int(top * MASK_SIDE), int(np.ceil((top + height) * MASK_SIDE)))
        columns = slice(int(left * MASK_SIDE), int(np.ceil((left + width) * MASK_SIDE)))
        mask[rows, columns] = 1
    return mask
