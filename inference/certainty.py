"""What a reading may claim: calibrated probabilities and the classes that remain possible.

Pure NumPy. The numbers that these functions take belong to a model version
(``facts.json``); ``ml_training`` finds them with the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .gate import Gate
from .models import LABELS, Certainty

SMALLEST = 1e-12


def calibrate(raw: np.ndarray, temperature: float) -> np.ndarray:
    """``softmax(log(raw) / temperature)`` as float64 (..., 3): temperature scaling.

    Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, section 4.2; the
    logarithm of a softmax is the logits up to a constant, which the softmax drops.
    """
    return softmax(np.log(np.maximum(raw.astype(np.float64), SMALLEST)) / temperature)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def prediction_sets(probabilities: np.ndarray, quantiles: dict[str, float]) -> np.ndarray:
    """Which classes remain possible, bool (..., 3), for calibrated ``probabilities`` (..., 3).

    A class is in the set when ``1 - probability`` is at most its quantile (see
    :mod:`ml_training.conformal`). A set may be empty.
    """
    limits = np.array([quantiles[label] for label in LABELS])
    return 1 - probabilities <= limits


@dataclass(frozen=True)
class Judgement:
    """What a version makes of one image.

    - ``label``: the most probable of the classes that remain possible, or of all where none
      does. With a quantile for each class it need not be the most probable of all.
    - ``probabilities``: calibrated, float64 (3,), in the order of ``LABELS``.
    - ``prediction_set``: the classes that remain possible, most probable first; ``None``
      for a version without conformal quantiles.
    - ``gate_score``: how unlike the known images this one is, 1 at the version's limit;
      ``None`` for a version without a gate.
    """

    label: str
    probabilities: np.ndarray
    certainty: str
    prediction_set: tuple[str, ...] | None
    gate_score: float | None


class CertaintyRules:
    """The certainty of one model version, from its facts and its gate.

    Facts of format 1 have limits on the top probability (``thresholds``), and say *high*,
    *moderate* or *low*. Facts of format 2 have conformal quantiles and a gate.
    """

    def __init__(self, facts: dict, gate: Gate | None = None) -> None:
        self.temperature = float(facts["calibration"]["temperature"])
        self._quantiles = facts["conformal"]["quantiles"] if "conformal" in facts else None
        self._limits = None if self._quantiles else facts["thresholds"]["certainty"]
        self._gate = gate

    def judge(self, raw: np.ndarray, gate_features: np.ndarray | None) -> Judgement:
        """Judge one image by its softmax ``raw`` (3,) and what the network's gate output gave."""
        probabilities = calibrate(raw, self.temperature)
        order = probabilities.argsort()[::-1]
        most_probable = LABELS[order[0]]
        if self._quantiles is None:
            certainty = _by_limits(float(probabilities.max()), self._limits)
            return Judgement(most_probable, probabilities, certainty, None, None)
        possible = prediction_sets(probabilities, self._quantiles)
        names = tuple(LABELS[place] for place in order if possible[place])
        score = None if self._gate is None else self._gate.score(gate_features)
        label = names[0] if names else most_probable
        return Judgement(label, probabilities, _by_set(names, score), names, score)


def _by_limits(probability: float, limits: dict[str, float]) -> str:
    if probability >= limits["high"]:
        return Certainty.HIGH.value
    if probability >= limits["moderate"]:
        return Certainty.MODERATE.value
    return Certainty.LOW.value


def _by_set(names: tuple[str, ...], gate_score: float | None) -> str:
    if not names or (gate_score is not None and not gate_score <= 1):
        return Certainty.UNLIKE.value
    return Certainty.CERTAIN.value if len(names) == 1 else Certainty.UNCERTAIN.value
