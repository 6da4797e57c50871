"""Labelled radiographs from an index: read, checked, fingerprinted, held in memory."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.models import LABELS

from .errors import DatasetInvalidError, SplitLeakError

COLUMNS = {"label", "nih_patient", "split", "origin", "file"}
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Cases of one split: ``images`` uint8 (H, W) each, ``truth`` int (n,) into ``LABELS``."""

    images: list[np.ndarray]
    truth: np.ndarray
    patients: np.ndarray
    origins: np.ndarray

    def sampling_weights(self) -> np.ndarray:
        """Probability of each case in a draw: classes alike, origins less unlike within them.

        Within a class an origin weighs by the square root of its size, so that a large
        origin does not become the class's signature; no case weighs as if its origin had
        fewer than 30.
        """
        cells = Counter(zip(self.truth.tolist(), self.origins.tolist(), strict=True))
        weights = np.array(
            [max(cells[t, o], 30) ** -0.5 for t, o in zip(self.truth, self.origins, strict=True)]
        )
        for index in np.unique(self.truth):
            weights[self.truth == index] /= weights[self.truth == index].sum()
        return weights / weights.sum()


@dataclass(frozen=True)
class Dataset:
    """The splits of one index, with the SHA-256 over its rows and all image bytes."""

    splits: dict[str, Split]
    fingerprint: str

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        return {
            name: {label: int((split.truth == i).sum()) for i, label in enumerate(LABELS)}
            for name, split in self.splits.items()
        }


def read_dataset(index: Path) -> Dataset:
    """Read the CSV ``index`` and the 8-bit grey images that it names, relative to its folder.

    The images are rendered radiographs (what ``radiology.dicom.render`` gives). Raises
    :class:`DatasetInvalidError` for a missing column, label, split or image, and
    :class:`SplitLeakError` when one patient is in two splits.
    """
    try:
        with index.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DatasetInvalidError(reason=f"{index.name} cannot be read") from error
    if not rows or (missing := COLUMNS - set(rows[0])):
        raise DatasetInvalidError(reason=f"missing columns: {sorted(missing) if rows else 'all'}")
    for row in rows:
        if row["label"] not in LABELS or row["split"] not in SPLITS:
            raise DatasetInvalidError(reason=f"unknown label or split at {row['file']}")
    check_for_leak(rows)
    digest = hashlib.sha256()
    cases: dict[str, list] = {name: [] for name in SPLITS}
    for row in sorted(rows, key=lambda row: row["file"]):
        path = index.parent / row["file"]
        content = path.read_bytes() if path.is_file() else b""
        image = (
            cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
            if content
            else None
        )
        if image is None:
            raise DatasetInvalidError(reason=f"{row['file']} is no image")
        digest.update("|".join(row[column] for column in sorted(COLUMNS)).encode())
        digest.update(hashlib.sha256(content).digest())
        cases[row["split"]].append((image, row))
    splits = {
        name: Split(
            images=[image for image, _row in found],
            truth=np.array([LABELS.index(row["label"]) for _image, row in found], dtype=int),
            patients=np.array([row["nih_patient"] for _image, row in found]),
            origins=np.array([row["origin"] for _image, row in found]),
        )
        for name, found in cases.items()
    }
    return Dataset(splits, digest.hexdigest())


def check_for_leak(rows: list[dict]) -> None:
    """Raise :class:`SplitLeakError` when a patient's radiographs are in more than one split."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        seen.setdefault(row["nih_patient"], set()).add(row["split"])
    leaking = sum(len(splits) > 1 for splits in seen.values())
    if leaking:
        raise SplitLeakError(patients=leaking)
