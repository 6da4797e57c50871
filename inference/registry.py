"""Model folders: what is in one, and whether it is whole.

A model folder holds ``facts.json`` and the files that it names, each with its SHA-256:
``model.tflite`` (served), ``model.keras`` (for training and parity), ``classifier.npy``
(the kernel of the last layer, for the class activation map) and, in format 2, ``gate.npz``.

Format 1 has limits of certainty on the top probability, format 2 conformal quantiles, a
gate and limits for triage (``inference.certainty``).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path

from django.conf import settings

from .errors import ModelFolderInvalidError, ModelVersionUnknownError, NoModelInProductionError
from .models import LABELS, ModelVersion

FACTS_FORMAT = 2
FORMATS_READ = (1, FACTS_FORMAT)
SMALLEST_INPUT = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,31}")
NAME_RULE = (
    "a letter or digit first, then letters, digits, '.', '_', '-'; 64 and 32 at most; "
    "no capitals in a name"
)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
# Beyond these a calibration is none: all classes alike, or the first one certain.
_TEMPERATURES = (0.01, 100)


def read_facts(directory: Path) -> dict:
    """The facts of the model folder ``directory``, checked for what serving relies on.

    Raises :class:`ModelFolderInvalidError` with the reason. The files it names are not read;
    see :func:`read_file`.
    """
    try:
        facts = json.loads((directory / "facts.json").read_text("utf-8"))
    except OSError as error:
        missing = "facts.json is missing" if directory.is_dir() else "there is no such folder"
        raise ModelFolderInvalidError(reason=missing) from error
    except ValueError as error:
        raise ModelFolderInvalidError(reason="facts.json is not JSON") from error
    try:
        reason = _wrong_fact(facts)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ModelFolderInvalidError(reason=f"facts.json lacks or misspells {error}") from error
    if reason:
        raise ModelFolderInvalidError(reason=reason)
    return facts


def _wrong_fact(facts: dict) -> str:
    from .model_input import MODEL_INPUT_VERSION

    if facts["format"] not in FORMATS_READ:
        return f"format {facts['format']} is not one of {FORMATS_READ}"
    if not is_plain(facts["name"], facts["version"]):
        return f"name and version are not plain: {NAME_RULE}"
    if facts["labels"] != list(LABELS):
        return f"labels are not {', '.join(LABELS)}"
    if facts["preprocessing_version"] != MODEL_INPUT_VERSION:
        return (
            f"preprocessing version {facts['preprocessing_version']} is not this program's "
            f"{MODEL_INPUT_VERSION}"
        )
    rows, columns = facts["input_size"]
    if not (isinstance(rows, int) and rows == columns and rows >= SMALLEST_INPUT):
        return "input size is not that of a square"
    temperature = facts["calibration"]["temperature"]
    low, high = _TEMPERATURES
    if isinstance(temperature, bool) or not low <= temperature <= high:
        return f"temperature is not a number from {low} to {high}"
    for part in ("metrics", "data", "libraries", "training", "parity", "subgroups"):
        if not isinstance(facts.get(part, {}), dict):
            return f"{part} is no mapping"
    if reason := _wrong_certainty(facts) if facts["format"] > 1 else _wrong_limits(facts):
        return reason
    # All of them are copied, so there are no others.
    keys = {"keras", "litert", "classifier", *(["gate"] if facts["format"] > 1 else [])}
    if set(facts["files"]) != keys:
        return f"files are not {', '.join(sorted(keys))}"
    for key in sorted(keys):
        entry = facts["files"][key]
        if not _FILE.fullmatch(entry["name"]) or entry["name"] == "facts.json":
            return f"file name of {key} is not a plain one"
        if not re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]):
            return f"SHA-256 of {key} is malformed"
    return ""


def is_plain(name: str, version: str) -> bool:
    """Whether a model may be called so: see ``NAME_RULE``."""
    return bool(_NAME.fullmatch(name) and _VERSION.fullmatch(version))


def _wrong_limits(facts: dict) -> str:
    limits = facts["thresholds"]["certainty"]
    if not 0 <= limits["moderate"] <= limits["high"] <= 1:
        return "certainty thresholds are not in order"
    return ""


def _wrong_certainty(facts: dict) -> str:
    quantiles = facts["conformal"]["quantiles"]
    if set(quantiles) != set(LABELS) or not all(0 <= q <= 1 for q in quantiles.values()):
        return "conformal quantiles are not numbers from 0 to 1, one for each label"
    if not 0 < facts["conformal"]["coverage"] < 1:
        return "conformal coverage is not between 0 and 1"
    threshold = facts["gate"]["threshold"]
    if not (math.isfinite(threshold) and threshold > 0):
        return "gate threshold is not a positive number"
    if facts["gate"]["file"] != facts["files"]["gate"]["name"]:
        return "gate names another file than the files do"
    for rule in ("rule_out", "rule_in"):
        if facts["triage"][rule]["label"] not in LABELS:
            return f"{rule} is about no known label"
        if not 0 <= facts["triage"][rule]["threshold"] <= 1:
            return f"{rule} threshold is not between 0 and 1"
    return ""


def read_file(directory: Path, facts: dict, key: str) -> bytes:
    """The bytes of the file ``key``, after its SHA-256 was found to be what the facts say.

    Raises :class:`ModelFolderInvalidError`.
    """
    entry = facts["files"][key]
    try:
        content = (directory / entry["name"]).read_bytes()
    except OSError as error:
        raise ModelFolderInvalidError(reason=f"{entry['name']} is missing") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ModelFolderInvalidError(reason=f"{entry['name']} has another SHA-256 than the facts")
    return content


def check_files(directory: Path, facts: dict) -> None:
    """Compare every file with its SHA-256; raises :class:`ModelFolderInvalidError`."""
    for key in facts["files"]:
        read_file(directory, facts, key)


def version_directory(version: ModelVersion) -> Path:
    """Where the files of a registered version lie on this machine."""
    return settings.MODEL_ROOT / version.directory


def shipped_directories() -> list[Path]:
    """The model folders that come with the program, oldest version first."""
    root = Path(settings.SHIPPED_MODELS_DIR)
    folders = [path.parent for path in root.glob("*/facts.json")]
    return sorted(folders, key=lambda folder: _natural(folder.name))


def _natural(text: str) -> list:
    return [(part.isdigit(), part.zfill(12)) for part in re.split(r"(\d+)", text)]


def names_folder(text: str) -> bool:
    """Whether ``NAME:VERSION|FOLDER`` is a folder, there or not."""
    return ":" not in text or "/" in text or Path(text).is_dir()


def version_get(text: str) -> ModelVersion:
    """The version that ``NAME:VERSION`` names, or raises :class:`ModelVersionUnknownError`."""
    name, _, number = text.partition(":")
    version = ModelVersion.objects.filter(name=name, version=number).first()
    if version is None:
        raise ModelVersionUnknownError(version=text)
    return version


def production_version() -> ModelVersion:
    """The version in production, or raises :class:`NoModelInProductionError`."""
    version = ModelVersion.objects.filter(in_production=True).first()
    if version is None:
        raise NoModelInProductionError
    return version
