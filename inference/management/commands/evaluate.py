"""``manage.py evaluate --labels CSV --images FOLDER``: how good a model is on labelled files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
from django.utils.translation import override

from inference.errors import ImageUnreadableError, LabelsInvalidError, NothingEvaluatedError
from inference.models import LABELS, Certainty
from pneumoniapp.commands import OperatorCommand
from pneumoniapp.errors import CodedError, UnexpectedError

from .classify import load_engine

PATIENT_COLUMNS = ("nih_patient", "patient")


class Command(OperatorCommand):
    help = (
        "Evaluate a model on labelled files (DICOM, PNG or JPEG). The CSV has the columns file "
        "and label, and may have nih_patient (or patient), by which intervals are bootstrapped."
    )
    requires_system_checks = ()

    def add_arguments(self, parser) -> None:
        parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
        parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
        parser.add_argument(
            "--model",
            metavar="NAME:VERSION|FOLDER",
            help="default: the version in production, or the shipped one where there is none",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *, labels: Path, images: Path, model: str | None, **options) -> None:
        with override("en"):
            result = evaluate_files(labels, images, model)
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            for key, value in result.items():
                self.stdout.write(f"{key}: {json.dumps(value)}")
        if "n" not in result:
            raise NothingEvaluatedError(files=result["refused"])


def read_rows(labels: Path) -> list[dict]:
    """The rows of the CSV; raises :class:`LabelsInvalidError` for what it lacks."""
    try:
        with labels.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsInvalidError(reason=f"{labels} cannot be read ({error})") from error
    if not rows:
        raise LabelsInvalidError(reason=f"{labels} has no rows")
    if missing := {"file", "label"} - set(rows[0]):
        raise LabelsInvalidError(reason=f"{labels} has no column {', '.join(sorted(missing))}")
    if unknown := {row["label"] for row in rows} - set(LABELS):
        known = ", ".join(LABELS)
        names = ", ".join(sorted(map(str, unknown)))
        raise LabelsInvalidError(reason=f"unknown labels {names} (known are {known})")
    return rows


def read_image(path: Path) -> np.ndarray:
    """``path`` rendered, uint8 (H, W); raises what ``inference.pictures.read_labelled`` raises."""
    from inference.pictures import read_labelled

    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageUnreadableError from error
    return read_labelled(content, path.suffix)[0]


def evaluate_files(labels: Path, images: Path, model: str | None) -> dict:
    """Every figure of ``inference.metrics.evaluate``, and what was refused, by file and code.

    A file that cannot be read is in no figure. One that the model's gate refuses
    (``unlike``) is refused too, and yet in all figures, so that refusing cannot improve them.
    """
    from inference.metrics import evaluate

    rows = read_rows(labels)
    column = next((name for name in PATIENT_COLUMNS if name in rows[0]), None)
    engine = load_engine(model)
    truth, probabilities, patients, refused = [], [], [], {}
    certainties, sets = [], []
    for row in rows:
        try:
            prediction = engine.predict(read_image(images / row["file"]))
        except CodedError as error:
            refused[row["file"]] = error.code
        except Exception:  # a hostile file must not end the evaluation of all others
            refused[row["file"]] = UnexpectedError.code
        else:
            truth.append(LABELS.index(row["label"]))
            probabilities.append([prediction.probabilities[label] for label in LABELS])
            patients.append(row[column] if column else row["file"])
            certainties.append(prediction.certainty)
            if prediction.prediction_set is not None:
                sets.append([label in prediction.prediction_set for label in LABELS])
            if prediction.gate_score is not None and prediction.gate_score > 1:
                refused[row["file"]] = Certainty.UNLIKE.value
    result = {"model": engine.name, "labels": list(LABELS), "refused": len(refused)}
    if truth:
        result |= evaluate(np.array(truth), np.array(probabilities), np.array(patients))
        result |= {"certainty": dict(sorted(Counter(certainties).items()))}
    if sets:
        result |= sets_of_classes(np.array(truth), np.array(sets))
    return result | {"refused_files": refused}


def sets_of_classes(truth: np.ndarray, sets: np.ndarray) -> dict:
    """``coverage`` by true class and mean ``set_size``, of ``sets``, bool (n, 3).

    ``None`` for a class that no file has. What the gate refused counts as well.
    """
    held = sets[np.arange(len(truth)), truth]
    of_class = {label: held[truth == place] for place, label in enumerate(LABELS)}
    return {
        "coverage": {k: float(v.mean()) if len(v) else None for k, v in of_class.items()},
        "set_size": float(sets.sum(axis=1).mean()),
    }
