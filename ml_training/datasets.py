"""Labelled radiographs from an index: read, checked, fingerprinted, at hand for training."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inference.models import LABELS
from inference.pictures import decode

from .errors import DatasetInvalidError
from .splits import SPLITS, check_for_leak

# Columns of an index, and the names that they have in other people's.
COLUMNS = ("image_id", "label", "patient", "sex", "age", "view", "origin", "split", "file")
ALIASES = {"patient": ("nih_patient",), "image_id": ("patientId",)}
# Decoded images up to this many bytes are kept in memory, further ones are read each time.
HELD_BYTES = 4 * 1024**3
# Nobody is older: an age above is a slip of the pen.
OLDEST = 120


@dataclass(frozen=True)
class Images(Sequence):
    """Images of one split, uint8 (H, W) each; those that memory has no room for are read anew."""

    paths: list[Path]
    held: dict[int, np.ndarray]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        found = self.held.get(index)
        return decode(self.paths[index].read_bytes()) if found is None else found


@dataclass(frozen=True)
class Split:
    """Cases of one split, maybe none: ``images`` uint8 (H, W) each, ``truth`` int (n,) into
    ``LABELS``; the others (n,), ``""`` or NaN where it is not known (``ages`` in years)."""

    images: Sequence[np.ndarray]
    truth: np.ndarray
    patients: np.ndarray
    origins: np.ndarray
    ids: np.ndarray = field(default_factory=lambda: np.array([], str))
    sexes: np.ndarray = field(default_factory=lambda: np.array([], str))
    ages: np.ndarray = field(default_factory=lambda: np.array([], np.float32))
    views: np.ndarray = field(default_factory=lambda: np.array([], str))

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


def read_dataset(index: Path, *, split: str = "") -> Dataset:
    """Read the CSV ``index`` and the 8-bit grey images that it names, relative to its folder.

    ``index`` may be a folder with ``index.csv``, as ``manage.py dataset`` makes it. The images
    are rendered radiographs (what ``radiology.dicom.render`` gives). ``split`` is that of all
    rows of an index without that column. Raises :class:`DatasetInvalidError` for a missing
    column, label, split or image and for an image that is not what ``sha256`` says, and
    ``SplitLeakError`` when a patient or an image is in two splits.
    """
    index = index_file(index)
    rows = read_rows(index)
    for row in rows:
        row["split"] = row["split"] or split
        if row["label"] not in LABELS or row["split"] not in SPLITS:
            raise DatasetInvalidError(reason=f"unknown label or split at {row['file']}")
        if not row["patient"]:
            raise DatasetInvalidError(reason=f"no patient at {row['file']}")
    check_for_leak(rows)
    fingerprint = Fingerprint()
    cases: dict[str, list[dict]] = {name: [] for name in SPLITS}
    images = {name: Images([], {}) for name in SPLITS}
    room = HELD_BYTES
    for row in sorted(rows, key=lambda row: row["file"]):
        path = index.parent / row["file"]
        content = path.read_bytes() if path.is_file() else b""
        image = decode(content)
        if image is None:
            raise DatasetInvalidError(reason=f"{row['file']} is no image")
        sha256 = hashlib.sha256(content).hexdigest()
        if row.get("sha256", sha256) != sha256:
            raise DatasetInvalidError(reason=f"{row['file']} is not what its checksum says")
        row["sha256"] = sha256
        fingerprint.add(row, sha256)
        here = images[row["split"]]
        room -= image.nbytes
        if room >= 0:
            here.held[len(here)] = image
        here.paths.append(path)
        cases[row["split"]].append(row)
    # Again, now that the images are known: one file under two names is one image.
    check_for_leak(rows)
    return Dataset(
        {name: _split(images[name], found) for name, found in cases.items()},
        fingerprint.hexdigest(),
    )


def check_classes(dataset: Dataset) -> None:
    """Raise :class:`DatasetInvalidError` unless every class is there to learn, and to judge by."""
    for name, use in {"train": "learn from", "val": "validate with"}.items():
        if missing := [label for label, number in dataset.counts[name].items() if not number]:
            reason = f"no {' or '.join(missing)} to {use} (split {name})"
            raise DatasetInvalidError(reason=reason)


def stated_facts(folder: Path) -> dict:
    """What ``dataset.json`` in ``folder`` says; beside an index of one's own there is none."""
    try:
        found = json.loads((folder / "dataset.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def index_file(dataset: Path) -> Path:
    """The index of a dataset folder; an index itself stays as it is."""
    return dataset / "index.csv" if dataset.is_dir() else dataset


def _split(images: Images, rows: list[dict]) -> Split:
    def texts(column: str) -> np.ndarray:
        return np.array([row[column] for row in rows], dtype=str)

    return Split(
        images=images,
        truth=np.array([LABELS.index(row["label"]) for row in rows], dtype=int),
        patients=texts("patient"),
        origins=texts("origin"),
        ids=texts("image_id"),
        sexes=texts("sex"),
        ages=np.array([age_of(row) for row in rows], dtype=np.float32),
        views=texts("view"),
    )


def read_rows(index: Path, *, required: Sequence[str] = ("label", "patient", "file")) -> list[dict]:
    """The rows of the CSV ``index`` with every one of ``COLUMNS``, ``""`` where it has none.

    ``nih_patient`` is read as ``patient`` and ``patientId`` as ``image_id`` (else the name of
    the file); other columns are kept. Raises :class:`DatasetInvalidError` when the file can't
    be read, has no rows, or lacks a ``required`` column.
    """
    try:
        with index.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "no CSV in UTF-8"
        raise DatasetInvalidError(reason=f"{index.name} cannot be read ({why})") from error
    if not rows:
        raise DatasetInvalidError(reason=f"{index.name} has no rows")
    names = {
        column: next((name for name in (column, *ALIASES.get(column, ())) if name in rows[0]), "")
        for column in COLUMNS
    }
    if missing := [column for column in required if not names[column]]:
        raise DatasetInvalidError(reason=f"{index.name} has no column {', '.join(missing)}")
    for row in rows:
        values = {column: (row.get(name) or "").strip() for column, name in names.items()}
        row.update(values)
        row["image_id"] = row["image_id"] or Path(row["file"]).stem
    return rows


def age_of(row: dict) -> float:
    """The age in years, NaN where it is missing or no person's."""
    try:
        age = float(row["age"])
    except ValueError:
        return math.nan
    return age if 0 <= age <= OLDEST else math.nan


class Fingerprint:
    """SHA-256 over what a network may learn from: rows (sorted by file) and image bytes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, row: dict, sha256: str) -> None:
        facts = "\0".join(row[column] for column in sorted(COLUMNS) if column != "image_id")
        self._digest.update(facts.encode() + b"\n" + bytes.fromhex(sha256))

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
