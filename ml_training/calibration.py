"""Making probabilities mean what they say: temperature scaling."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from inference.certainty import calibrate
from inference.metrics import expected_calibration_error


def fit_temperature(raw: np.ndarray, truth: np.ndarray) -> float:
    """The temperature in [0.05, 20] with the smallest negative log-likelihood.

    ``raw`` is the network's softmax, float (n, 3). Guo et al., ICML 2017, section 4.2.
    """
    cases = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        calibrated = calibrate(raw, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(calibrated[cases, truth], 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def calibration_facts(raw: np.ndarray, truth: np.ndarray) -> dict:
    """The ``calibration`` of ``facts.json``, from the validation split."""
    temperature = fit_temperature(raw, truth)
    return {
        "method": "temperature",
        "temperature": temperature,
        "split": "val",
        "n": len(truth),
        "ece_before": expected_calibration_error(truth, raw),
        "ece_after": expected_calibration_error(truth, calibrate(raw, temperature)),
    }
