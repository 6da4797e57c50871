import numpy as np
import pytest

from inference.metrics import accuracy, expected_calibration_error
from ml_training.calibration import apply_temperature, certainty_limits, fit_temperature


def overconfident(temperature: float, n: int = 6000):
    """Softmax of logits ``temperature`` times too large, and outcomes drawn from the true ones."""
    random = np.random.default_rng(7)
    logits = random.normal(0, 1.5, (n, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=row) for row in true])
    raw = np.exp(temperature * logits)
    return raw / raw.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_finds_the_temperature_that_made_it_overconfident(temperature):
    raw, truth = overconfident(temperature)

    found = fit_temperature(raw, truth)

    assert found == pytest.approx(temperature, rel=0.08)
    calibrated = apply_temperature(raw, found)
    assert expected_calibration_error(truth, calibrated) < 0.03
    assert accuracy(truth, calibrated) == accuracy(truth, raw)


def test_readings_above_a_limit_are_right_as_often_as_it_says():
    raw, truth = overconfident(1.0)

    limits = certainty_limits(raw, truth)

    top, right = raw.max(axis=1), raw.argmax(axis=1) == truth
    assert limits["moderate"] < limits["high"]
    assert right[top >= limits["high"]].mean() == pytest.approx(0.85, abs=0.01)
    assert right[top >= limits["moderate"]].mean() == pytest.approx(0.7, abs=0.01)


def test_a_model_that_is_never_right_is_never_certain():
    raw = np.tile([0.8, 0.1, 0.1], (50, 1))

    assert certainty_limits(raw, np.ones(50, int)) == {"high": 1.0, "moderate": 1.0}
