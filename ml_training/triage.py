"""Two limits on the probability of an opacity, for sorting: one rules it out, one rules it in.

Rule-out: fewer than 5% of the radiographs with an opacity lie below. Rule-in: fewer than 5%
of those without one lie above. Both are chosen on the validation split by the rank of
split-conformal prediction (:mod:`ml_training.conformal`), so that a small split does not
promise too much, and measured on the test split.
"""

from __future__ import annotations

import math

import numpy as np

from inference.models import LABELS

from .conformal import conformal_quantile
from .shares import measure_shares

LABEL = "lung_opacity"
SENSITIVITY = 0.95
SPECIFICITY = 0.95


def rule_out_threshold(positive: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """The limit below which a case is ruled out: ``sensitivity`` of the positives reach it.

    ``positive`` is bool (n,), ``scores`` float (n,) in [0, 1].
    """
    found = np.sort(scores[positive])
    # By its rank, not as one minus a quantile: rounding would move the limit.
    rank = math.floor(round((len(found) + 1) * (1 - sensitivity), 9))
    return float(found[rank - 1]) if rank else 0.0


def rule_in_threshold(positive: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """The limit above which a case is ruled in: ``specificity`` of the negatives do not pass it."""
    return conformal_quantile(scores[~positive], specificity)


def measure_rule(
    positive: np.ndarray, scores: np.ndarray, patients: np.ndarray, *, threshold: float, out: bool
) -> dict:
    """What a rule does on one split, with 95% intervals by patient.

    ``share`` is how many of all cases it holds for, ``right`` how often it is right there
    (for the mix of classes of this split alone).
    """
    held = scores < threshold if out else scores > threshold
    called = ~held if out else held
    quantities = {
        "sensitivity": (called, positive),
        "specificity": (~called, ~positive),
        "share": (held, np.ones(len(positive), bool)),
        "right": (~positive if out else positive, held),
    }
    found, intervals = measure_shares(quantities, patients)
    counts = {"n": len(positive), "positives": int(positive.sum())}
    return counts | found | {"intervals_95": intervals}


def triage_facts(
    probabilities: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    patients: dict[str, np.ndarray],
) -> dict:
    """The ``triage`` of ``facts.json``: limits from ``val``, measured on ``test``.

    Each dictionary has the splits ``val`` and ``test``: calibrated probabilities (n, 3),
    classes (n,), patients (n,).
    """
    place = LABELS.index(LABEL)
    positive = {name: truth[name] == place for name in ("val", "test")}
    scores = {name: probabilities[name][:, place] for name in ("val", "test")}
    thresholds = {
        "rule_out": rule_out_threshold(positive["val"], scores["val"], SENSITIVITY),
        "rule_in": rule_in_threshold(positive["val"], scores["val"], SPECIFICITY),
    }
    wanted = {
        "rule_out": {"sensitivity_wanted": SENSITIVITY},
        "rule_in": {"specificity_wanted": SPECIFICITY},
    }
    return {
        rule: {
            "label": LABEL,
            **wanted[rule],
            "threshold": threshold,
            "split": "val",
            "measured": {
                "test": measure_rule(
                    positive["test"],
                    scores["test"],
                    patients["test"],
                    threshold=threshold,
                    out=rule == "rule_out",
                )
            },
        }
        for rule, threshold in thresholds.items()
    }
