"""How good a set of predictions is. NumPy alone, so that a worker's machine can evaluate.

Everywhere ``truth`` is int (n,), indices into ``inference.models.LABELS``, and
``probabilities`` is float (n, 3), each row summing to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .models import LABELS


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of cases whose most probable class is the true one."""
    return float((probabilities.argmax(axis=1) == truth).mean())


def mean_class_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over the classes of the accuracy of the question "this class or not?".

    The figure that "binary accuracy" reports for one-hot outputs; with three classes it
    is always above :func:`accuracy` unless every case is right.
    """
    chosen = probabilities.argmax(axis=1)
    classes = range(probabilities.shape[1])
    return float(np.mean([((chosen == c) == (truth == c)).mean() for c in classes]))


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney U); NaN with one class only.

    ``positive`` is bool (n,), ``scores`` float (n,). Hanley and McNeil, Radiology 1982.
    """
    wins = int(positive.sum())
    losses = len(positive) - wins
    if not wins or not losses:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - wins * (wins + 1) / 2) / (wins * losses))


def class_aurocs(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """One-vs-rest AUROC of each class."""
    return {
        label: auroc(truth == index, probabilities[:, index]) for index, label in enumerate(LABELS)
    }


def macro_auroc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of the classes' one-vs-rest AUROC."""
    return float(np.mean(list(class_aurocs(truth, probabilities).values())))


def expected_calibration_error(
    truth: np.ndarray, probabilities: np.ndarray, bins: int = 10
) -> float:
    """Mean gap between certainty and accuracy over equal-width bins of the top probability.

    Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, equation 3.
    """
    certainty = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    places = np.clip((certainty * bins).astype(int), 0, bins - 1)
    gaps = (
        abs(right[places == b].mean() - certainty[places == b].mean()) * (places == b).mean()
        for b in np.unique(places)
    )
    return float(sum(gaps))


def confusion(truth: np.ndarray, probabilities: np.ndarray) -> list[list[int]]:
    """Counts, a row for each true class, a column for each chosen one, in the order of LABELS."""
    size = len(LABELS)
    cells = truth * size + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=size * size).reshape(size, size).tolist()


def bootstrap_interval(
    measure: Callable[[np.ndarray, np.ndarray], float],
    truth: np.ndarray,
    probabilities: np.ndarray,
    patients: np.ndarray,
    *,
    samples: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """The 95% percentile interval of ``measure``, drawing whole patients with replacement.

    ``patients`` is (n,), one value a case: the cases of one patient are not independent.
    """
    _, group = np.unique(patients, return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.bincount(group).cumsum()[:-1])
    random = np.random.default_rng(seed)
    values = []
    for _sample in range(samples):
        drawn = random.integers(len(members), size=len(members))
        cases = np.concatenate([members[index] for index in drawn])
        values.append(measure(truth[cases], probabilities[cases]))
    defined = [value for value in values if not np.isnan(value)]
    if not defined:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def evaluate(
    truth: np.ndarray, probabilities: np.ndarray, patients: np.ndarray | None = None
) -> dict:
    """Every figure of an evaluation, JSON-ready, with 95% intervals where patients are known."""
    result = {
        "n": len(truth),
        "accuracy": accuracy(truth, probabilities),
        "mean_class_accuracy": mean_class_accuracy(truth, probabilities),
        "macro_auroc": macro_auroc(truth, probabilities),
        "auroc": class_aurocs(truth, probabilities),
        "ece": expected_calibration_error(truth, probabilities),
        "confusion": confusion(truth, probabilities),
    }
    if patients is None:
        patients = np.arange(len(truth))
    measures: dict[str, Callable] = {
        "accuracy": accuracy,
        "mean_class_accuracy": mean_class_accuracy,
        "macro_auroc": macro_auroc,
        "ece": expected_calibration_error,
    } | {
        f"auroc_{label}": lambda t, p, index=index: auroc(t == index, p[:, index])
        for index, label in enumerate(LABELS)
    }
    result["intervals_95"] = {
        name: bootstrap_interval(measure, truth, probabilities, patients)
        for name, measure in measures.items()
    }
    return _without_nan(result)


def _without_nan(value):
    """JSON has no NaN: a figure that is not defined (a class is missing) is ``None``."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
