"""Several trained models measured on the same cases: every number of ``manage.py compare``.

What is compared is a run folder (``predictions.npz``, or else the ``model/`` in it) or an
exported model folder (``facts.json``), which is run over the images of a dataset's index.
:func:`compare` gives plain figures (:class:`Comparison`), ``comparison_report`` the page.
"""

from __future__ import annotations

import csv
import itertools
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inference import metrics
from inference.models import LABELS
from inference.resampling import intervals, paired_differences

from .calibration import apply_temperature, fit_temperature
from .cases import Cases, join, read_cases
from .config import data_folder
from .errors import RunInvalidError
from .served import ServedNetwork, read_image

SPLITS = ("val", "test")
# A subgroup with fewer cases, or fewer of any class, gets no AUROC of its own.
SMALLEST_GROUP, SMALLEST_CLASS = 30, 10
AGE_BANDS = ((0, 18), (18, 40), (40, 60), (60, 75), (75, 200))
PAIRED = ("accuracy", "mean_class_accuracy", "macro_auroc", "auroc_lung_opacity", "ece", "brier")
LATENCY_IMAGES, LATENCY_ROUNDS = 20, 7
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


@dataclass
class Comparison:
    """Everything measured, the same cases for all: see the functions that fill it."""

    candidates: list[Candidate]
    cases: dict[str, Cases]
    split: str
    left_out: int
    figures: dict[str, dict[str, dict]]
    subgroups: dict[str, list[dict]]
    pairs: list[dict]
    costs: dict[str, dict]
    shortcuts: dict[str, dict] = field(default_factory=dict)
    localisation: dict[str, dict] = field(default_factory=dict)
    growth: dict | None = None


# Reading.


def read_candidate(folder: Path) -> Candidate:
    """A run folder or model folder; raises :class:`RunInvalidError` if it is neither.

    A model folder's predictions are not there yet: :func:`predict_missing` makes them.
    """
    folder = Path(folder)
    model = folder if (folder / "facts.json").is_file() else folder / "model"
    facts = _json(model / "facts.json") or _json(folder / "run.json") or {}
    predictions = folder / "predictions.npz"
    has_model = (model / "facts.json").is_file()
    if not predictions.is_file() and not has_model:
        raise RunInvalidError(folder=folder.name, reason="no predictions.npz and no model")
    config = _json(folder / "config.json") or facts.get("training", {}).get("config", {})
    named = f"{facts['name']}:{facts['version']}" if facts.get("version") else folder.name
    candidate = Candidate(named, folder, facts, config, _history(folder / "history.csv"))
    if has_model:
        candidate.network = ServedNetwork(model)
    if predictions.is_file():
        with np.load(predictions, allow_pickle=False) as stored:
            names = {key.rsplit("_", 1)[0] for key in stored.files if key.endswith("_ids")}
            try:
                for split in names:
                    candidate.ids[split] = stored[f"{split}_ids"].astype(str)
                    candidate.truth[split] = stored[f"{split}_truth"].astype(int)
                    candidate.raw[split] = stored[f"{split}_probabilities"].astype(float)
                    if f"{split}_features" in stored.files:
                        candidate.features[split] = stored[f"{split}_features"]
            except KeyError as error:
                reason = f"predictions.npz lacks {error}"
                raise RunInvalidError(folder=folder.name, reason=reason) from error
    return candidate


def _json(path: Path) -> dict | None:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


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
            where = {name: place for place, name in enumerate(candidate.ids[split].tolist())}
            order = np.array([where[name] for name in kept.ids.tolist()], dtype=int)
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
            split: apply_temperature(candidate.raw[split], candidate.temperature)
            for split in SPLITS
        }
    return result, left_out


def _with_train_features(candidates: list[Candidate], train: Cases) -> Cases:
    """The training cases of the index whose features all that kept any have kept."""
    keeping = [c for c in candidates if "train" in c.features]
    known = [set(c.ids["train"].tolist()) for c in keeping]
    common = set.intersection(*known) if known else set()
    kept = train.take(np.array([name in common for name in train.ids], dtype=bool))
    for candidate in keeping:
        where = {name: place for place, name in enumerate(candidate.ids["train"].tolist())}
        order = np.array([where[name] for name in kept.ids.tolist()], dtype=int)
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


# Measuring.


def groups_of(cases: Cases) -> dict[str, list[tuple[str, np.ndarray]]]:
    """The subgroups by sex, age, view and origin: (name, bool (n,)); "" is unknown."""
    ages = cases.ages
    bands = [
        (f"{low}-{high - 1}" if high < 200 else f"{low}+", (ages >= low) & (ages < high))
        for low, high in AGE_BANDS
    ]
    found = {
        "sex": [(str(name), cases.sexes == name) for name in np.unique(cases.sexes)],
        "age": [*bands, ("", np.isnan(ages))],
        "view": [(str(name), cases.views == name) for name in np.unique(cases.views)],
        "origin": [(str(name), cases.origins == name) for name in np.unique(cases.origins)],
    }
    return {by: [(n, mask) for n, mask in groups if mask.any()] for by, groups in found.items()}


def subgroup_figures(cases: Cases, candidates: list[Candidate], split: str) -> dict:
    """By sex, age, view and origin: ``n``, ``counts`` by class, ``small`` and, by candidate,
    accuracy, macro AUROC and AUROC of opacities with intervals.

    A group is ``small`` with fewer than 30 cases: accuracy alone is given. An AUROC needs 10
    cases of each side as well; None where it has not.
    """
    opacity = LABELS.index("lung_opacity")
    result: dict[str, list[dict]] = {}
    for by, groups in groups_of(cases).items():
        result[by] = []
        for name, mask in groups:
            truth, patients = cases.truth[mask], cases.patients[mask]
            counts = np.bincount(truth, minlength=len(LABELS))
            small = bool(mask.sum() < SMALLEST_GROUP)
            wanted = ["accuracy"]
            if not small and counts.min() >= SMALLEST_CLASS:
                wanted.append("macro_auroc")
            if not small and min(counts[opacity], counts.sum() - counts[opacity]) >= SMALLEST_CLASS:
                wanted.append("auroc_lung_opacity")
            measures = {name: metrics.MEASURES[name] for name in wanted}
            row = {"name": name, "n": int(mask.sum()), "counts": counts.tolist(), "small": small}
            row["figures"] = {}
            for candidate in candidates:
                probabilities = candidate.probabilities[split][mask]
                ranges = intervals(measures, truth, probabilities, patients)
                row["figures"][candidate.name] = {
                    name: (measure(truth, probabilities), *ranges[name])
                    for name, measure in measures.items()
                }
            result[by].append(row)
    return result


def parameters_of(candidate: Candidate) -> int | None:
    """The number of weights in the folder's Keras file, read without Keras."""
    if candidate.network is None:
        return None
    import h5py

    path = candidate.network.folder / candidate.facts["files"]["keras"]["name"]
    total = 0

    def count(name: str, item) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset) and "optimizer" not in name and "seed" not in name:
            total += item.size

    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as content:
        with h5py.File(content) as weights:
            weights.visititems(count)
    return total


def latencies(candidates: list[Candidate], images: list[np.ndarray]) -> dict[str, dict]:
    """Milliseconds of one reading by the serving engine, after the file is decoded.

    Rounds take turns, so that what else the machine does meets all alike: ``median``,
    ``low`` and ``high`` (5th and 95th percentile) of single readings, and ``rounds``, the
    lowest and highest median of a round: the noise.
    """
    from inference.engine import Engine

    engines = {c.name: Engine.load(c.network.folder) for c in candidates if c.network}
    times: dict[str, list[list[float]]] = {name: [] for name in engines}
    for turn in range(LATENCY_ROUNDS + 1):
        for name, engine in engines.items():
            spent = [sum(engine.predict(image).milliseconds.values()) for image in images]
            if turn:  # the first is for warming up
                times[name].append(spent)
    result = {}
    for name, rounds in times.items():
        low, median, high = np.percentile(rounds, [5, 50, 95])
        medians = np.median(rounds, axis=1)
        result[name] = {
            "median": float(median),
            "low": float(low),
            "high": float(high),
            "rounds": (float(medians.min()), float(medians.max())),
            "readings": int(np.size(rounds)),
        }
    return result


def cost_of(candidate: Candidate) -> dict:
    """Epochs, seconds an epoch, parameters and bytes served; None where not known."""
    training = candidate.facts.get("training", {})
    seconds = [row["seconds"] for row in candidate.history if "seconds" in row]
    epochs = len(candidate.history) or training.get("epochs")
    if seconds:
        each = float(np.median(seconds))
    elif training.get("seconds") and epochs:
        each = training["seconds"] / epochs
    else:
        each = None
    return {
        "epochs": epochs,
        "seconds_an_epoch": each,
        "parameters": parameters_of(candidate),
        "bytes": candidate.facts.get("files", {}).get("litert", {}).get("bytes"),
    }


def compare(
    folders: list[Path],
    *,
    index: Path | None = None,
    split: str = "test",
    boxes: Path | None = None,
    growth: Path | None = None,
    say=lambda sentence: None,
) -> Comparison:
    """Measure the models in ``folders`` on the cases of ``index`` (default: the one that they
    were trained with).

    ``boxes`` is a CSV of opacity boxes (default: ``boxes.csv`` beside the index), ``growth``
    a result of ``learning_curve``. ``say`` hears what is being done.
    """
    candidates = [read_candidate(folder) for folder in folders]
    repeated = {c.name for c in candidates if [d.name for d in candidates].count(c.name) > 1}
    for candidate in candidates:
        if candidate.name in repeated:
            candidate.name = f"{candidate.name} ({candidate.folder.name})"
    if len({c.name for c in candidates}) < len(candidates):
        raise RunInvalidError(folder=candidates[0].name, reason="it is named twice")
    index = index or index_of(candidates)
    cases = read_cases(index) if index else None
    for candidate in candidates:
        if not set(SPLITS) <= set(candidate.raw):
            if cases is None:
                raise RunInvalidError(folder=candidate.name, reason="no index of images to read")
            say(f"reading the images with {candidate.name}")
            predict_missing(candidate, cases)
    aligned, left_out = align(candidates, cases)
    here = aligned[split]
    say("bootstrapping")
    figures = {
        c.name: {
            name: metrics.evaluate(part.truth, c.probabilities[name], part.patients)
            for name, part in aligned.items()
            if name in SPLITS
        }
        for c in candidates
    }
    measures = {name: metrics.MEASURES[name] for name in PAIRED}
    pairs = [
        {
            "one": one.name,
            "other": other.name,
            "measures": paired_differences(
                measures, here.truth, one.probabilities[split], other.probabilities[split],
                here.patients,
            ),
        }
        for one, other in itertools.combinations(candidates, 2)
    ]  # fmt: skip
    result = Comparison(
        candidates=candidates,
        cases=aligned,
        split=split,
        left_out=left_out,
        figures=figures,
        subgroups=subgroup_figures(here, candidates, split),
        pairs=pairs,
        costs={c.name: cost_of(c) for c in candidates},
        growth=_json(growth) if growth else None,
    )
    if index:
        from .comparison_pixels import measure_on_pixels

        boxes = boxes or index.parent / "boxes.csv"
        measure_on_pixels(result, boxes if boxes.is_file() else None, say)
    return result


def joined_features(
    candidate: Candidate, cases: dict[str, Cases], splits: tuple[str, ...]
) -> tuple[np.ndarray, Cases]:
    """Features and cases of several splits together."""
    return (
        np.concatenate([candidate.features[split] for split in splits]),
        join([cases[split] for split in splits]),
    )
