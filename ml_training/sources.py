"""Where labelled radiographs come from: what every source gives, and an index CSV as a source.

The other sources are ``sources_challenge`` and ``sources_reviews``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from inference.models import LABELS

from .datasets import read_rows
from .errors import DatasetInvalidError
from .splits import SPLITS

PATIENTS_MAY_REPEAT = (
    "Patients are not known: each image counts as a patient of its own, so one person may be "
    "in more than one split, and figures measured on this dataset may be too good."
)


@dataclass(frozen=True)
class Case:
    """One image to be rendered. ``path`` is what :attr:`Source.read` understands; ``state``
    changes when the file does. What is ``""`` may be said by the file's header."""

    image_id: str
    label: str
    patient: str
    path: str
    state: str
    sex: str = ""
    age: str = ""
    view: str = ""
    origin: str = ""
    split: str = ""


@dataclass
class Source:
    """Cases with their labels, and an account of what was left out.

    - ``read``: the bytes of a case's file; raises ``FileNotFoundError``.
    - ``dropped``: how many images were left out before rendering, by reason.
    - ``notes``: sentences that a user of the dataset must know.
    - ``boxes``: rectangles in pixels of the rendered image as it was (``image_id``, ``x``,
      ``y``, ``width``, ``height``).
    """

    kind: str
    terms: str
    cases: list[Case]
    read: Callable[[Case], bytes]
    dropped: Counter[str] = field(default_factory=Counter)
    facts: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    boxes: list[dict] = field(default_factory=list)


def index_source(index: Path, *, patients: Path | None = None, terms: str = "") -> Source:
    """The images that the CSV ``index`` names, relative to its folder: DICOM, PNG or JPEG.

    Columns: ``label``, ``file``, and if known ``patient`` (or ``nih_patient``), ``image_id``
    (or ``patientId``), ``sex``, ``age``, ``view``, ``origin``, ``split``. Splits that it names
    are kept. ``patients``: see :func:`read_patients`. Raises :class:`DatasetInvalidError`.
    """
    rows = read_rows(index, required=("label", "file"))
    source = Source("index", terms, [], read_path)
    if wrong := {row["split"] for row in rows} - {"", *SPLITS}:
        raise DatasetInvalidError(reason=f"unknown split {sorted(wrong)[0]}")
    labels = fold_labels(((row["image_id"], row["label"]) for row in rows), source)
    firsts: dict[str, dict] = {}
    for row in rows:
        first = firsts.setdefault(row["image_id"], row)
        if any(first[column] != row[column] for column in ("file", "split", "patient")):
            raise DatasetInvalidError(reason=f"{row['image_id']} is two images")
    # An index that knows some patients only must not let the others pass for persons.
    known = any(row["patient"] for row in rows) or patients is not None
    people = read_patients(patients) if patients else {}
    for image_id, label in labels.items():
        row = firsts[image_id]
        patient = people.get(image_id, row["patient"] if known else image_id)
        if not patient:
            source.dropped["patient_unknown"] += 1
            continue
        path = index.parent / row["file"]
        facts = {column: row[column] for column in ("sex", "age", "view", "origin", "split")}
        source.cases.append(Case(image_id, label, patient, str(path), file_state(path), **facts))
    if not known:
        source.notes.append(PATIENTS_MAY_REPEAT)
    return source


def fold_labels(pairs: Iterable[tuple[str, str]], source: Source) -> dict[str, str]:
    """One label for each image id, in the order of first mention; ``source`` counts the rest.

    ``folded`` counts further rows of one image; images with an empty, unknown or more than
    one label are dropped.
    """
    labels: dict[str, set[str]] = {}
    rows = 0
    for image_id, label in pairs:
        labels.setdefault(image_id, set()).add(label)
        rows += 1
    source.facts["folded_rows"] = rows - len(labels)
    kept = {}
    for image_id, found in labels.items():
        if len(found) > 1:
            source.dropped["label_conflict"] += 1
        elif (label := next(iter(found))) in LABELS:
            kept[image_id] = label
        else:
            source.dropped["label_unknown" if label else "label_empty"] += 1
    return kept


def read_patients(path: Path) -> dict[str, str]:
    """Which person an image is of: a CSV with ``image_id`` (or ``patientId``) and ``patient``
    (or ``nih_patient``). Raises :class:`DatasetInvalidError`."""
    rows = read_rows(path, required=("image_id", "patient"))
    people: dict[str, str] = {}
    for row in rows:
        if people.setdefault(row["image_id"], row["patient"]) != row["patient"]:
            raise DatasetInvalidError(reason=f"{row['image_id']} is of two patients")
    return people


def read_csv(path: Path, columns: Iterable[str]) -> list[dict]:
    """The rows of a CSV, spaces around values cut off; raises :class:`DatasetInvalidError`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                {key: (value or "").strip() for key, value in row.items() if key}
                for row in csv.DictReader(file, restval="")
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetInvalidError(reason=f"{path.name} cannot be read") from error
    missing = set(columns) - set(rows[0] if rows else ())
    if missing:
        raise DatasetInvalidError(reason=f"{path.name} has no column {', '.join(sorted(missing))}")
    return rows


def read_path(case: Case) -> bytes:
    return Path(case.path).read_bytes()


def file_state(path: Path) -> str:
    """Size and time of the last change, or ``""`` where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"
