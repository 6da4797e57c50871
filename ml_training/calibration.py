"""Making probabilities mean what they say: temperature scaling and limits of certainty."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from inference.certainty import calibrate
from inference.metrics import expected_calibration_error

# A certainty is named after how often readings like it were right on validation patients.
CERTAINTY_ACCURACY = {"high": 0.85, "moderate": 0.7}
SMALLEST_GROUP = 20


def apply_temperature(raw: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated probabilities, float64 (n, 3), by the function that serving uses."""
    return np.stack([calibrate(row, temperature) for row in raw])


def fit_temperature(raw: np.ndarray, truth: np.ndarray) -> float:
    """The temperature in [0.05, 20] with the smallest negative log-likelihood.

    ``raw`` is the network's softmax, float (n, 3). Guo et al., ICML 2017, section 4.2.
    """
    cases = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        calibrated = apply_temperature(raw, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(calibrated[cases, truth], 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def certainty_limits(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The lowest top probability from which readings are right often enough, by certainty.

    For each certainty the limit is the smallest one above which at least
    ``CERTAINTY_ACCURACY`` of the readings (and of those above every higher limit) are right
    and at least ``SMALLEST_GROUP`` readings lie; 1.0 where there is none, so that the
    certainty is then given to (almost) nothing.
    """
    top = probabilities.max(axis=1)
    order = np.argsort(-top, kind="stable")
    right = (probabilities.argmax(axis=1) == truth)[order]
    share = right.cumsum() / np.arange(1, len(right) + 1)
    limits = {}
    for name, wanted in CERTAINTY_ACCURACY.items():
        large_enough = np.flatnonzero(share[SMALLEST_GROUP - 1 :] < wanted)
        end = (large_enough[0] if len(large_enough) else len(share)) + SMALLEST_GROUP - 1
        last = min(end, len(share)) - 1
        good = share[last] >= wanted and last >= SMALLEST_GROUP - 1
        limits[name] = round(float(top[order][last]), 4) if good else 1.0
    return limits


def calibration_facts(raw: np.ndarray, truth: np.ndarray) -> tuple[dict, dict]:
    """The ``calibration`` and ``thresholds`` of ``facts.json``, from the validation split."""
    temperature = fit_temperature(raw, truth)
    calibrated = apply_temperature(raw, temperature)
    calibration = {
        "method": "temperature",
        "temperature": temperature,
        "split": "val",
        "n": len(truth),
        "ece_before": expected_calibration_error(truth, raw),
        "ece_after": expected_calibration_error(truth, calibrated),
    }
    thresholds = {
        "certainty": certainty_limits(calibrated, truth),
        "certainty_accuracy_wanted": CERTAINTY_ACCURACY,
    }
    return calibration, thresholds
