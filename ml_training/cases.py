"""The cases of a dataset's index without their pixels: who they are and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from inference.models import LABELS

from .datasets import age_of, index_file, read_rows
from .errors import DatasetInvalidError
from .splits import SPLITS, check_for_leak


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


def order_of(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Where each of the ids ``wanted`` stands among ``ids``; raises ``KeyError``."""
    where = {name: place for place, name in enumerate(ids.tolist())}
    return np.array([where[name] for name in wanted.tolist()], dtype=int)


def join(parts: list[Cases]) -> Cases:
    """The cases of several splits, one after another."""
    return Cases(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Cases)}
    )


def read_cases(index: Path) -> dict[str, Cases]:
    """The splits of the CSV ``index`` or of a folder with ``index.csv``.

    Raises :class:`DatasetInvalidError` and, where a patient is in two splits,
    :class:`SplitLeakError`.
    """
    index = index_file(index)
    rows = read_rows(index, required=("label", "patient", "split", "file"))
    if wrong := {row["label"] for row in rows} - set(LABELS):
        raise DatasetInvalidError(reason=f"unknown labels: {', '.join(sorted(wrong))}")
    check_for_leak(rows)
    result = {}
    for split in SPLITS:
        found = [row for row in rows if row["split"] == split]

        def texts(column: str, found: list[dict] = found) -> np.ndarray:
            return np.array([row[column] for row in found], dtype=str)

        result[split] = Cases(
            ids=texts("image_id"),
            truth=np.array([LABELS.index(row["label"]) for row in found], dtype=int),
            patients=texts("patient"),
            sexes=texts("sex"),
            ages=np.array([age_of(row) for row in found], dtype=float),
            views=texts("view"),
            origins=texts("origin"),
            files=np.array([str(index.parent / row["file"]) for row in found], dtype=str),
        )
    return result
