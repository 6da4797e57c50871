"""Sets of classes that hold the true one for nine in ten patients of each class.

Split-conformal prediction, class-conditional (Mondrian): Vovk, *Conditional Validity of
Inductive Conformal Predictors*, ACML 2012; the score is one minus the probability of the
class, which gives the smallest sets (Sadinle, Lei and Wasserman, *Least Ambiguous
Set-Valued Classifiers with Bounded Error Levels*, JASA 2019); Angelopoulos and Bates,
*Conformal Prediction: A Gentle Introduction*, 2023, sections 1 and 4.2.

What it promises: over draws of validation cases and of a new case of class ``y`` from one
population, the set of the new case holds ``y`` with a probability of at least ``coverage``.
It promises nothing for another population, nor for one patient.
"""

from __future__ import annotations

import math

import numpy as np

from inference.certainty import prediction_sets
from inference.models import LABELS

from .shares import measure_shares

COVERAGE = 0.9


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ``ceil((n + 1) * coverage)``-th smallest of ``scores`` (n,); 1.0 where n is too small.

    With it a new score from the same population is at most the quantile with a probability
    of at least ``coverage`` (and at most ``coverage + 1 / (n + 1)`` without ties). Scores
    are in [0, 1], so 1.0 admits everything.
    """
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return 1.0 if rank > len(scores) else float(np.sort(scores)[rank - 1])


def class_quantiles(
    probabilities: np.ndarray, truth: np.ndarray, coverage: float = COVERAGE
) -> dict[str, float]:
    """The quantile of each class, from calibrated ``probabilities`` (n, 3) and ``truth`` (n,)."""
    scores = 1 - probabilities[np.arange(len(truth)), truth]
    return {
        label: conformal_quantile(scores[truth == place], coverage)
        for place, label in enumerate(LABELS)
    }


def measure_sets(truth: np.ndarray, sets: np.ndarray, patients: np.ndarray) -> dict:
    """Coverage and sizes of ``sets``, bool (n, 3), by true class, with 95% intervals by patient.

    ``sizes`` counts the sets of no, one, two and three classes of each true class;
    ``certain`` is the share of all sets with one class, ``certain_right`` how often that
    class was the true one.
    """
    size = sets.sum(axis=1)
    held = sets[np.arange(len(truth)), truth]
    everyone = np.ones(len(truth), bool)
    quantities = {
        "mean_coverage": (held, everyone),
        "mean_set_size": (size, everyone),
        "certain": (size == 1, everyone),
        "certain_right": (held, size == 1),
    }
    for place, label in enumerate(LABELS):
        quantities[f"coverage_{label}"] = held, truth == place
        quantities[f"set_size_{label}"] = size, truth == place
    found, intervals = measure_shares(quantities, patients)
    by_class = {
        name: {label: found.pop(f"{name}_{label}") for label in LABELS}
        for name in ("coverage", "set_size")
    }
    sizes = {
        label: np.bincount(size[truth == place], minlength=len(LABELS) + 1).tolist()
        for place, label in enumerate(LABELS)
    }
    return {"n": len(truth), **by_class, **found, "sizes": sizes, "intervals_95": intervals}


def conformal_facts(
    probabilities: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    patients: dict[str, np.ndarray],
    *,
    coverage: float = COVERAGE,
) -> dict:
    """The ``conformal`` of ``facts.json``: quantiles from ``val``, measured on ``test``.

    Each dictionary has the splits ``val`` and ``test``: calibrated probabilities (n, 3),
    classes (n,), patients (n,). The temperature comes from ``val`` as well; it is one
    number, and the same for every class.
    """
    quantiles = class_quantiles(probabilities["val"], truth["val"], coverage)
    sets = prediction_sets(probabilities["test"], quantiles)
    return {
        "method": "split, class-conditional",
        "score": "1 - probability",
        "coverage": coverage,
        "split": "val",
        "n": {label: int((truth["val"] == place).sum()) for place, label in enumerate(LABELS)},
        "quantiles": quantiles,
        "measured": {"test": measure_sets(truth["test"], sets, patients["test"])},
    }
