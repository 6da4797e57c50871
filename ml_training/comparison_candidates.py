"""What is compared: run folders and exported model folders, their predictions side by side."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from inference.certainty import calibrate

from .calibration import fit_temperature
from .cases import Cases, order_of
from .config import data_folder
from .errors import RunInvalidError
from .served import ServedNetwork, read_image

SPLITS = ("val", "test")
_INDEX = "index.csv"


@dataclass
class Candidate:
    """One model: what it said of each split and what is known of it.

    ``ids`` and ``raw`` (n, 3, uncalibrated), ``truth`` and ``features`` (n, channels) by split.
    """

    name: str
    folder: Path
    facts: dict
    config: dict
    history: list[dict[str, float]]
    ids: dict[str, np.ndarray] = field(default_factory=dict)
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    raw: dict[str, np.ndarray] = field(default_factory=dict)
    features: dict[str, np.ndarray] = field(default_factory=dict)
    network: ServedNetwork | None = None
    temperature: float = 1.0
    # Calibrated probabilities, float (n, 3), of the cases that are compared, by split.
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        return self.facts.get("architecture") or self.config.get("architecture", "")

    @property
    def is_transfer(self) -> bool | None:
        """Whether it began from weights learned elsewhere; None where nothing says so."""
        if "weights" not in self.config and "architecture" not in self.config:
            return None
        initial = self.config.get("initial_run")
        return bool(initial) or self.config.get("weights", "none") != "none"


def read_candidate(folder: Path) -> Candidate:
    """A run folder or model folder; raises :class:`RunInvalidError` if it is neither.

    A model folder's predictions are not there yet: :func:`predict_missing` makes them.
    """
    folder = Path(folder)
    model = folder if (folder / "facts.json").is_file() else folder / "model"
    facts = read_json(model / "facts.json") or read_json(folder / "run.json") or {}
    predictions = folder / "predictions.npz"
    has_model = (model / "facts.json").is_file()
    if not predictions.is_file() and not has_model:
        raise RunInvalidError(folder=folder.name, reason="no predictions.npz and no model")
    config = read_json(folder / "config.json") or facts.get("training", {}).get("config", {})
    named = f"{facts['name']}:{facts['version']}" if facts.get("version") else folder.name
    candidate = Candidate(named, folder, facts, config, _history(folder / "history.csv"))
    if has_model:
        candidate.network = ServedNetwork(model)
    if predictions.is_file():
        try:
            _read_predictions(candidate, predictions)
        except KeyError as error:
            reason = f"predictions.npz lacks {error}"
            raise RunInvalidError(folder=folder.name, reason=reason) from error
        except (ValueError, AttributeError, EOFError, BadZipFile) as error:
            raise RunInvalidError(
                folder=folder.name, reason="predictions.npz is damaged"
            ) from error
    return candidate


def _read_predictions(candidate: Candidate, path: Path) -> None:
    # Of a file that is no archive NumPy would leave the one that it opened itself open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        for split in {key.rsplit("_", 1)[0] for key in stored.files if key.endswith("_ids")}:
            candidate.ids[split] = stored[f"{split}_ids"].astype(str)
            candidate.truth[split] = stored[f"{split}_truth"].astype(int)
            candidate.raw[split] = stored[f"{split}_probabilities"].astype(float)
            if f"{split}_features" in stored.files:
                candidate.features[split] = stored[f"{split}_features"]


def read_json(path: Path) -> dict | None:
    """The mapping in ``path``, ``None`` without one; raises :class:`RunInvalidError`."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RunInvalidError(folder=path.parent.name, reason=f"{path.name} is damaged")
    return found


def _history(path: Path) -> list[dict[str, float]]:
    """The rows of ``history.csv``, whatever its columns; what is no number is left out."""
    if not path.is_file():
        return []
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            numbers = {}
            for key, value in row.items():
                try:
                    numbers[key] = float(value)
                except (TypeError, ValueError):
                    continue
            rows.append(numbers)
    return rows


def index_of(candidates: list[Candidate]) -> Path | None:
    """The index that the first of ``candidates`` was trained with, if it is still there."""
    for candidate in candidates:
        for base in (data_folder(), candidate.folder):
            path = base / candidate.config.get("index", "") if candidate.config else base / _INDEX
            if path.is_file():
                return path
    return None


def predict_missing(candidate: Candidate, cases: dict[str, Cases]) -> None:
    """Run the candidate's network over the splits that it has no predictions of."""
    for split in SPLITS:
        if split in candidate.raw or candidate.network is None or not len(cases[split]):
            continue
        images = (read_image(Path(path)) for path in cases[split].files)
        found = candidate.network.outputs(images)
        candidate.ids[split], candidate.truth[split] = cases[split].ids, cases[split].truth
        candidate.raw[split], candidate.features[split] = found.raw.astype(float), found.features


def align(
    candidates: list[Candidate], cases: dict[str, Cases] | None
) -> tuple[dict[str, Cases], int]:
    """The cases by split that all candidates have predicted, in one order; how many are not.

    Without an index the cases are known by id and label alone, each its own patient. Fills
    ``probabilities`` and reorders ``features``. Raises :class:`RunInvalidError` when two
    sources give one case different labels or nothing is common.
    """
    result, left_out = {}, 0
    for split in SPLITS:
        known = [c.ids[split] for c in candidates if split in c.ids]
        if len(known) < len(candidates):
            raise RunInvalidError(folder=candidates[len(known)].name, reason=f"nothing of {split}")
        common = set(known[0]).intersection(*known[1:])
        base = cases[split] if cases is not None else _bare(candidates[0], split)
        kept = base.take(np.array([name in common for name in base.ids], dtype=bool))
        if not len(kept):
            raise RunInvalidError(folder=candidates[0].name, reason=f"no case of {split} is known")
        left_out += len(set(itertools.chain(*known)) | set(base.ids)) - len(kept)
        for candidate in candidates:
            order = order_of(kept.ids, candidate.ids[split])
            if not np.array_equal(candidate.truth[split][order], kept.truth):
                raise RunInvalidError(folder=candidate.name, reason="other labels than the index")
            candidate.ids[split], candidate.truth[split] = kept.ids, kept.truth
            candidate.raw[split] = candidate.raw[split][order]
            if split in candidate.features:
                candidate.features[split] = candidate.features[split][order]
        result[split] = kept
    if cases is not None:
        result["train"] = _with_train_features(candidates, cases["train"])
    for candidate in candidates:
        stored = candidate.facts.get("calibration", {}).get("temperature")
        fitted = stored or fit_temperature(candidate.raw["val"], result["val"].truth)
        candidate.temperature = float(fitted)
        candidate.probabilities = {
            split: calibrate(candidate.raw[split], candidate.temperature) for split in SPLITS
        }
    return result, left_out


def _with_train_features(candidates: list[Candidate], train: Cases) -> Cases:
    """The training cases of the index whose features all that kept any have kept."""
    keeping = [c for c in candidates if "train" in c.features]
    known = [set(c.ids["train"].tolist()) for c in keeping]
    common = set.intersection(*known) if known else set()
    kept = train.take(np.array([name in common for name in train.ids], dtype=bool))
    for candidate in keeping:
        order = order_of(kept.ids, candidate.ids["train"])
        candidate.features["train"] = candidate.features["train"][order]
        if not len(kept):
            del candidate.features["train"]
    return kept


def _bare(candidate: Candidate, split: str) -> Cases:
    ids = candidate.ids[split]
    unknown = np.full(len(ids), "")
    return Cases(
        ids=ids, truth=candidate.truth[split], patients=ids, sexes=unknown,
        ages=np.full(len(ids), np.nan), views=unknown, origins=unknown, files=unknown,
    )  # fmt: skip
