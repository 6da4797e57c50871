"""How good a set of predictions is. NumPy alone, so that a worker's machine can evaluate.

Everywhere ``truth`` is int (n,), indices into ``inference.models.LABELS``, and
``probabilities`` is float (n, 3), each row summing to 1.

A measure takes ``weights`` as a last argument: float (m, n), how often each case counts in
each of m resamples; it then gives float (m,), one value a resample, and NaN where it is not
defined (a class is missing). Without weights every case counts once and it gives a float.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps

import numpy as np

from .models import LABELS
from .resampling import Measure, intervals, resample

# The operating points of triage: what is asked of one side, to see what the other side gives.
FIXED = 0.95
_CLOSE = 1e-9


def _resampled(measure: Callable[..., np.ndarray]) -> Callable:
    """``measure``, which always has weights (m, n), made to do without: a float."""

    @wraps(measure)
    def either(truth, scores, weights=None, **options):
        if weights is None:
            return float(measure(truth, scores, np.ones((1, len(truth))), **options)[0])
        return measure(truth, scores, weights, **options)

    return either


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` by element, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _share(weights: np.ndarray, hits: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Share of ``hits`` (bool (n,)) among the cases, or those in ``among``, by resample."""
    if among is None:
        return ratio(weights @ hits.astype(float), weights.sum(axis=1))
    return ratio(weights @ (hits & among).astype(float), weights @ among.astype(float))


# Measures of all three classes together.


@_resampled
def accuracy(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of cases whose most probable class is the true one."""
    return _share(weights, probabilities.argmax(axis=1) == truth)


@_resampled
def mean_class_accuracy(
    truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean over the classes of the accuracy of the question "this class or not?".

    The figure that "binary accuracy" reports for one-hot outputs. Where each case gets one
    class, a wrong case is wrong for two of the classes, so with k classes it is
    ``1 - (2 / k) (1 - accuracy)``: always above :func:`accuracy` unless every case is right.
    """
    chosen = probabilities.argmax(axis=1)
    classes = range(probabilities.shape[1])
    return np.mean([_share(weights, (chosen == c) == (truth == c)) for c in classes], axis=0)


@_resampled
def expected_calibration_error(
    truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, bins: int = 10
) -> np.ndarray:
    """Mean gap between certainty and accuracy over equal-width bins of the top probability.

    Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, equation 3. Chance
    alone makes it larger than 0, the more so the fewer cases there are.
    """
    certainty = probabilities.max(axis=1)
    excess = (probabilities.argmax(axis=1) == truth) - certainty
    inside = _places(certainty, bins)[:, np.newaxis] == np.arange(bins)
    gaps = weights @ (excess[:, np.newaxis] * inside)
    return ratio(abs(gaps).sum(axis=1), weights.sum(axis=1))


@_resampled
def brier(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared distance to the truth, summed over the classes: 0 (best) to 2.

    Brier, *Monthly Weather Review* 1950. Giving each of three classes 1/3 has 0.667.
    """
    distances = ((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1)
    return ratio(weights @ distances, weights.sum(axis=1))


# Measures of one class against the others: ``positive`` is bool (n,), ``scores`` float (n,).


def _ranked(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of positives and of negatives at each distinct score, highest first, (m, k) each."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    drawn = weights[:, order]
    positives = np.add.reduceat(drawn * positive[order], starts, axis=1)
    return positives, np.add.reduceat(drawn, starts, axis=1) - positives


@_resampled
def auroc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, ties counted half (Mann-Whitney U); NaN with one class only.

    Hanley and McNeil, Radiology 1982.
    """
    wins, losses = _ranked(positive, scores, weights)
    beaten = (losses * (wins.cumsum(axis=1) - wins / 2)).sum(axis=1)
    return ratio(beaten, wins.sum(axis=1) * losses.sum(axis=1))


@_resampled
def average_precision(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the precision at each positive case: the area under the steps of the PR curve.

    Chance alone gives the share of positives.
    """
    wins, losses = _ranked(positive, scores, weights)
    precision = np.nan_to_num(ratio(wins.cumsum(axis=1), (wins + losses).cumsum(axis=1)))
    return ratio((wins * precision).sum(axis=1), wins.sum(axis=1))


@_resampled
def sensitivity_at(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray, specificity: float = FIXED
) -> np.ndarray:
    """The highest sensitivity of any threshold that is at least as specific as asked.

    The threshold is chosen on the very cases it is measured on: what the scores could do, a
    little better than what a threshold chosen beforehand will do.
    """
    wins, losses = _ranked(positive, scores, weights)
    alarms, total = losses.cumsum(axis=1), losses.sum(axis=1)
    allowed = alarms <= (1 - specificity + _CLOSE) * total[:, np.newaxis]
    found = np.where(allowed, wins.cumsum(axis=1), 0).max(axis=1)
    return np.where(total > 0, ratio(found, wins.sum(axis=1)), np.nan)


@_resampled
def specificity_at(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray, sensitivity: float = FIXED
) -> np.ndarray:
    """The highest specificity of any threshold that is at least as sensitive as asked.

    Chosen on the same cases, as for :func:`sensitivity_at`.
    """
    wins, losses = _ranked(positive, scores, weights)
    total, none = losses.sum(axis=1), np.zeros((len(weights), 1))
    # The threshold above all scores comes first: nothing found, no alarm.
    found = np.c_[none, wins.cumsum(axis=1)]
    enough = found >= (sensitivity - _CLOSE) * found[:, -1:]
    alarms = np.where(enough, np.c_[none, losses.cumsum(axis=1)], np.inf).min(axis=1)
    return np.where(wins.sum(axis=1) > 0, 1 - ratio(alarms, total), np.nan)


def _class_auroc(truth, probabilities, weights=None, *, index: int):
    return auroc(truth == index, probabilities[:, index], weights)


def _class_average_precision(truth, probabilities, weights=None, *, index: int):
    return average_precision(truth == index, probabilities[:, index], weights)


def _class_sensitivity_at(truth, probabilities, weights=None, *, index: int):
    return sensitivity_at(truth == index, probabilities[:, index], weights)


def _class_specificity_at(truth, probabilities, weights=None, *, index: int):
    return specificity_at(truth == index, probabilities[:, index], weights)


@_resampled
def class_accuracy(truth, probabilities, weights, *, index: int) -> np.ndarray:
    """Accuracy of the question "class ``index`` or not?" (binary accuracy)."""
    return _share(weights, (probabilities.argmax(axis=1) == index) == (truth == index))


@_resampled
def sensitivity(truth, probabilities, weights, *, index: int) -> np.ndarray:
    """Share of the cases of class ``index`` that are read as such (recall)."""
    return _share(weights, probabilities.argmax(axis=1) == index, truth == index)


@_resampled
def specificity(truth, probabilities, weights, *, index: int) -> np.ndarray:
    """Share of the other cases that are read as another class than ``index``."""
    return _share(weights, probabilities.argmax(axis=1) != index, truth != index)


@_resampled
def ppv(truth, probabilities, weights, *, index: int) -> np.ndarray:
    """Share of the cases read as class ``index`` that are of it (precision); NaN if none is."""
    return _share(weights, truth == index, probabilities.argmax(axis=1) == index)


@_resampled
def npv(truth, probabilities, weights, *, index: int) -> np.ndarray:
    """Share of the cases not read as class ``index`` that are of another."""
    return _share(weights, truth != index, probabilities.argmax(axis=1) != index)


def class_aurocs(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """One-vs-rest AUROC of each class."""
    return {
        label: _class_auroc(truth, probabilities, index=index) for index, label in enumerate(LABELS)
    }


def _mean_over_classes(measure: Callable, truth, probabilities, weights=None):
    values = [measure(truth, probabilities, weights, index=i) for i in range(len(LABELS))]
    return float(np.mean(values)) if weights is None else np.mean(values, axis=0)


def macro_auroc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None):
    """Mean of the classes' one-vs-rest AUROC."""
    return _mean_over_classes(_class_auroc, truth, probabilities, weights)


def macro_average_precision(
    truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
):
    """Mean of the classes' one-vs-rest average precision."""
    return _mean_over_classes(_class_average_precision, truth, probabilities, weights)


# Every measure by name, in the order of a table: of all classes together, then of each class.
OVERALL: dict[str, Measure] = {
    "accuracy": accuracy,
    "mean_class_accuracy": mean_class_accuracy,
    "macro_auroc": macro_auroc,
    "macro_average_precision": macro_average_precision,
    "ece": expected_calibration_error,
    "brier": brier,
}
BY_CLASS: dict[str, Callable] = {
    "auroc": _class_auroc,
    "average_precision": _class_average_precision,
    "class_accuracy": class_accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
    "sensitivity_at_95_specificity": _class_sensitivity_at,
    "specificity_at_95_sensitivity": _class_specificity_at,
}
MEASURES: dict[str, Measure] = OVERALL | {
    f"{name}_{label}": partial(measure, index=index)
    for name, measure in BY_CLASS.items()
    for index, label in enumerate(LABELS)
}


def confusion(truth: np.ndarray, probabilities: np.ndarray) -> list[list[int]]:
    """Counts, a row for each true class, a column for each chosen one, in the order of LABELS."""
    size = len(LABELS)
    cells = truth * size + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=size * size).reshape(size, size).tolist()


# Curves.


def roc_curve(
    positive: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, sensitivity and threshold, float (k + 1,) each, from (0, 0) to (1, 1).

    A case is called positive when its score is at least the threshold; the first is infinite.
    """
    wins, losses = _ranked(positive, scores, np.ones((1, len(scores))))
    thresholds = np.r_[np.inf, np.unique(scores)[::-1]]
    rates = (np.r_[0, part[0].cumsum()] / max(part[0].sum(), 1) for part in (losses, wins))
    return *rates, thresholds


def pr_curve(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sensitivity (recall), precision and threshold, float (k,) each, highest threshold first."""
    wins, losses = (part[0] for part in _ranked(positive, scores, np.ones((1, len(scores)))))
    found = wins.cumsum()
    precision = found / (wins + losses).cumsum()
    return found / max(wins.sum(), 1), precision, np.unique(scores)[::-1]


def _places(values: np.ndarray, bins: int) -> np.ndarray:
    return np.clip((values * bins).astype(int), 0, bins - 1)


def reliability_curve(
    hits: np.ndarray, scores: np.ndarray, patients: np.ndarray | None = None, *, bins: int = 10
) -> list[dict]:
    """How often what was said with probability p was so, over equal-width bins of p.

    ``hits`` is bool (n,), ``scores`` float (n,) in [0, 1]. One entry for each bin that has
    cases: ``n``, ``said`` (mean score), ``so`` (share of hits), ``interval_95`` of ``so``.
    """
    patients = np.arange(len(hits)) if patients is None else patients
    places = _places(scores, bins)
    used = np.unique(places)

    def shares(weights: np.ndarray) -> np.ndarray:
        return np.stack([_share(weights, hits, places == place) for place in used], axis=1)

    drawn = np.concatenate([shares(weights) for weights in resample(patients)])
    with np.errstate(all="ignore"):
        low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return [
        {
            "n": int((places == place).sum()),
            "said": float(scores[places == place].mean()),
            "so": float(hits[places == place].mean()),
            "interval_95": (float(low[i]), float(high[i])),
        }
        for i, place in enumerate(used)
    ]


def evaluate(
    truth: np.ndarray, probabilities: np.ndarray, patients: np.ndarray | None = None
) -> dict:
    """Every figure of an evaluation, JSON-ready, with 95% intervals bootstrapped by patient.

    The figures of ``OVERALL`` by name, those of ``BY_CLASS`` by name and class code, ``n``,
    ``confusion``, and ``intervals_95`` under the names of ``MEASURES``
    (``accuracy``, ``auroc_normal``). Without ``patients`` every case is its own.
    """
    if patients is None:
        patients = np.arange(len(truth))
    result: dict = {"n": len(truth)}
    result |= {name: measure(truth, probabilities) for name, measure in OVERALL.items()}
    for name, measure in BY_CLASS.items():
        result[name] = {
            label: measure(truth, probabilities, index=index) for index, label in enumerate(LABELS)
        }
    result["confusion"] = confusion(truth, probabilities)
    result["intervals_95"] = intervals(MEASURES, truth, probabilities, patients)
    return json_ready(result)


def json_ready(value):
    """``value`` without what JSON lacks: NumPy's numbers, tuples, and NaN, which is ``None``.

    A figure that is not defined (a class is missing) is NaN.
    """
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
