"""The cases of a dataset's index without their pixels: who they are and where they come from."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from inference.models import LABELS

from .datasets import SPLITS
from .errors import DatasetInvalidError

# What the data folder's own index calls a column otherwise.
ALIASES = {"image_id": "patientId", "patient": "nih_patient"}


@dataclass(frozen=True)
class Cases:
    """Cases of one split, an array (n,) each: ``truth`` int into ``LABELS``, ``ages`` float in
    years (NaN: unknown), ``files`` paths of the images, the others str ("" where unknown)."""

    ids: np.ndarray
    truth: np.ndarray
    patients: np.ndarray
    sexes: np.ndarray
    ages: np.ndarray
    views: np.ndarray
    origins: np.ndarray
    files: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: np.ndarray) -> Cases:
        """The cases at ``places`` (indices or bool)."""
        return Cases(**{f.name: getattr(self, f.name)[places] for f in fields(self)})


def join(parts: list[Cases]) -> Cases:
    """The cases of several splits, one after another."""
    return Cases(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Cases)}
    )


def read_cases(index: Path) -> dict[str, Cases]:
    """The splits of the CSV ``index``; raises :class:`DatasetInvalidError`."""
    try:
        with index.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DatasetInvalidError(reason=f"{index.name} cannot be read") from error

    def column(row: dict, name: str) -> str:
        return row.get(name) or row.get(ALIASES.get(name, name)) or ""

    if not rows or not {"label", "split", "file"} <= set(rows[0]):
        raise DatasetInvalidError(reason=f"{index.name} lacks label, split or file")
    if wrong := {row["label"] for row in rows} - set(LABELS):
        raise DatasetInvalidError(reason=f"unknown labels: {', '.join(sorted(wrong))}")
    result = {}
    for split in SPLITS:
        found = [row for row in rows if row["split"] == split]
        ids = [column(row, "image_id") or Path(row["file"]).stem for row in found]
        result[split] = Cases(
            ids=np.array(ids, dtype=str),
            truth=np.array([LABELS.index(row["label"]) for row in found], dtype=int),
            patients=np.array([column(row, "patient") for row in found], dtype=str),
            sexes=np.array([column(row, "sex") for row in found], dtype=str),
            ages=np.array([_number(column(row, "age")) for row in found], dtype=float),
            views=np.array([column(row, "view") for row in found], dtype=str),
            origins=np.array([column(row, "origin") for row in found], dtype=str),
            files=np.array([str(index.parent / row["file"]) for row in found], dtype=str),
        )
    return result


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
