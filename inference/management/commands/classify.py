"""``manage.py classify FILE_OR_FOLDER... [--json]``: read DICOM files from a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.management.base import CommandError
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.utils.translation import override

from inference.errors import (
    ModelFolderInvalidError,
    ModelUnusableError,
    NoModelInProductionError,
)
from inference.registry import (
    names_folder,
    production_version,
    shipped_directories,
    version_directory,
    version_get,
)
from inference.wording import named_labels
from pneumoniapp.commands import OperatorCommand
from pneumoniapp.errors import CodedError, UnexpectedError


class Command(OperatorCommand):
    help = (
        "Read DICOM radiographs without a server; nothing is stored. Prints one line for each "
        "file. Exit status 1 if any file was refused. It assists a doctor and never decides."
    )
    requires_system_checks = []

    def add_arguments(self, parser) -> None:
        parser.add_argument("path", nargs="+", metavar="FILE_OR_FOLDER")
        parser.add_argument("--json", action="store_true", help="one JSON object for each file")
        parser.add_argument(
            "--model",
            metavar="NAME:VERSION|FOLDER",
            help="default: the version in production, or the shipped one where there is none",
        )

    def handle(self, *args, **options) -> None:
        with override("en"):
            refused = self.classify(options["path"], options["model"], options["json"])
        if refused:
            sys.exit(1)

    def classify(self, paths: list[str], model: str | None, as_json: bool) -> int:
        """Print a line for each file; returns how many were refused."""
        engine = load_engine(model)
        refused = 0
        for file in radiograph_files(paths):
            answer = read(file, engine)
            refused += answer["error"] is not None
            self.stdout.write(json.dumps(answer) if as_json else line(answer))
        return refused


def load_engine(model: str | None):
    """The engine of :func:`model_directory`; what was named and is no model is not blamed on
    production."""
    from inference.engine import Engine

    try:
        return Engine.load(model_directory(model))
    except ModelUnusableError as error:
        if model:
            raise ModelFolderInvalidError(**error.params) from error
        raise


def model_directory(model: str | None) -> Path:
    """The folder of the version asked for, in production, or shipped, in this order."""
    if model and names_folder(model):
        return Path(model)
    try:
        if model:
            return version_directory(version_get(model))
        if database_exists():
            return version_directory(production_version())
    except (AnyDatabaseError, NoModelInProductionError) as error:
        if model:
            raise CommandError("The registry cannot be read.") from error
    shipped = shipped_directories()
    if not shipped:
        raise NoModelInProductionError
    return shipped[-1]


def database_exists() -> bool:
    """Whether there is a database to ask; never makes an empty SQLite file."""
    if connection.vendor != "sqlite" or connection.connection is not None:
        return True
    return Path(str(connection.settings_dict["NAME"])).is_file()


def radiograph_files(paths: list[str]) -> Iterator[Path]:
    """The files named, and every file below the folders named, in order."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names))


def read(path: Path, engine) -> dict:
    """What the model says of one file, or the code and sentence of what is wrong with it."""
    from radiology.dicom import limited
    from radiology.dicom.header import read_header
    from radiology.dicom.render import check_contrast

    answer = {"file": str(path), "label": None, "probabilities": None, "certainty": None}
    answer |= {"prediction_set": None, "typical": None}
    answer |= {"model": engine.name, "error": None, "detail": "", "warnings": []}
    try:
        with path.open("rb") as file:
            answer["warnings"] = [entry["code"] for entry in read_header(file).warnings]
            file.seek(0)
            image = limited.render(file.read())
        check_contrast(image)
        prediction = engine.predict(image)
    except CodedError as error:
        return answer | {"error": error.code, "detail": str(error)}
    except OSError as error:
        return answer | {"error": "file_unreadable", "detail": error.strerror or ""}
    except Exception as error:
        detail = f"{UnexpectedError()} ({type(error).__name__})"
        return answer | {"error": UnexpectedError.code, "detail": detail}
    return answer | {
        "label": prediction.label,
        "probabilities": {name: round(p, 6) for name, p in prediction.probabilities.items()},
        "certainty": prediction.certainty,
        "prediction_set": _listed(prediction.prediction_set),
        "typical": None if prediction.gate_score is None else prediction.gate_score <= 1,
    }


def _listed(labels: tuple[str, ...] | None) -> list[str] | None:
    return None if labels is None else list(labels)


def line(answer: dict) -> str:
    if answer["error"]:
        return f"{answer['file']}\trefused\t{answer['error']}\t{answer['detail']}"
    probabilities = " ".join(f"{name}={p:.3f}" for name, p in answer["probabilities"].items())
    named = named_labels(answer["certainty"], answer["label"], answer["prediction_set"])
    text = (
        f"{answer['file']}\t{' or '.join(named) or '-'}\t{answer['certainty']}\t{probabilities}\t"
        f"{answer['model']}"
    )
    return f"{text}\t{','.join(answer['warnings'])}" if answer["warnings"] else text
