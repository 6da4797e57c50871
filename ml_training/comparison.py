"""Several trained models measured on the same cases: every number of ``manage.py compare``.

What is compared is a run folder (``predictions.npz``, or else the ``model/`` in it) or an
exported model folder (``facts.json``), which is run over the images of a dataset's index.
:func:`compare` gives plain figures (:class:`Comparison`), ``comparison_report`` the page.
"""

from __future__ import annotations

import itertools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inference import metrics
from inference.models import LABELS
from inference.resampling import intervals, paired_differences

from .cases import Cases, join, read_cases
from .comparison_candidates import (
    SPLITS,
    Candidate,
    align,
    index_of,
    predict_missing,
    read_candidate,
    read_json,
)
from .errors import RunInvalidError

# A subgroup with fewer cases, or fewer of any class, gets no AUROC of its own.
SMALLEST_GROUP, SMALLEST_CLASS = 30, 10
AGE_BANDS = ((0, 18), (18, 40), (40, 60), (60, 75), (75, 200))
PAIRED = ("accuracy", "mean_class_accuracy", "macro_auroc", "auroc_lung_opacity", "ece", "brier")
LATENCY_IMAGES, LATENCY_ROUNDS = 20, 7


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

    with (
        zipfile.ZipFile(path) as archive,
        archive.open("model.weights.h5") as content,
        h5py.File(content) as weights,
    ):
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
    grown = read_json(growth) if growth else None
    if grown is not None and not {"series", "split", "patients", "wanted"} <= set(grown):
        raise RunInvalidError(folder=growth.name, reason="it is no result of learning_curve")
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
        growth=grown,
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
