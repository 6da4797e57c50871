"""The RSNA 2018 Pneumonia Detection Challenge as it is handed out: DICOM files and two CSVs."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

from .errors import DatasetInvalidError
from .sources import (
    PATIENTS_MAY_REPEAT,
    Case,
    Source,
    file_state,
    fold_labels,
    read_csv,
    read_path,
    read_patients,
)

CLASSES_FILE = "stage_2_detailed_class_info.csv"
BOXES_FILE = "stage_2_train_labels.csv"
IMAGES_FOLDER = "stage_2_train_images"
LABELS = {
    "Normal": "normal",
    "Lung Opacity": "lung_opacity",
    "No Lung Opacity / Not Normal": "not_normal",
}
TERMS = (
    "Radiographs: NIH ChestX-ray14, attribution asked for (Wang et al., CVPR 2017). Labels and "
    "boxes: RSNA Pneumonia Detection Challenge 2018, for research and education (Shih et al., "
    "Radiology: Artificial Intelligence 2019)."
)
ORIGIN = "rsna-challenge"
SIDES = ("x", "y", "width", "height")


def challenge_source(
    folder: Path, *, images: Path | None = None, patients: Path | None = None
) -> Source:
    """``folder`` with the two CSVs, and ``<patientId>.dcm`` in ``images`` (default:
    ``stage_2_train_images`` in it where that is, else ``folder`` itself).

    The challenge's ``patientId`` names an *image*; ``patients`` (see
    ``sources.read_patients``) says which person it is of. Without it each image counts as a
    patient, and the dataset says so; with it an image that it doesn't know is left out.
    Several rows of one image (one a box) are folded. An image whose class and boxes
    contradict each other is left out. Raises :class:`DatasetInvalidError`.
    """
    images = images or (folder / IMAGES_FOLDER if (folder / IMAGES_FOLDER).is_dir() else folder)
    classes = read_csv(folder / CLASSES_FILE, ("patientId", "class"))
    boxes = read_csv(folder / BOXES_FILE, ("patientId", *SIDES, "Target"))
    source = Source("challenge", TERMS, [], read_path)
    labels = fold_labels(
        ((row["patientId"], LABELS.get(row["class"], row["class"])) for row in classes), source
    )
    targets: dict[str, set[str]] = defaultdict(set)
    for row in boxes:
        targets[row["patientId"]].add(row["Target"])
    people = read_patients(patients) if patients else {}
    files = {path.stem for path in images.glob("*.dcm")}
    source.facts["unlabelled_files"] = len(files - {row["patientId"] for row in classes})
    for image_id, label in labels.items():
        patient = people.get(image_id, "") if patients else image_id
        if targets[image_id] - {"1" if label == "lung_opacity" else "0"}:
            source.dropped["boxes_disagree"] += 1
        elif not patient:
            source.dropped["patient_unknown"] += 1
        else:
            path = images / f"{image_id}.dcm"
            source.cases.append(
                Case(image_id, label, patient, str(path), file_state(path), origin=ORIGIN)
            )
    used = {case.image_id for case in source.cases}
    source.boxes = [
        {"image_id": row["patientId"], **{side: _number(row, side) for side in SIDES}}
        for row in boxes
        if row["Target"] == "1" and row["patientId"] in used
    ]
    if not patients:
        source.notes.append(PATIENTS_MAY_REPEAT)
    return source


def _number(row: dict, side: str) -> float:
    try:
        value = float(row[side])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetInvalidError(reason=f"{BOXES_FILE} has a box without {side}")
    return value
