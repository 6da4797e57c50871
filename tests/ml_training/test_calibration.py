import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from inference.certainty import calibrate
from inference.metrics import accuracy, expected_calibration_error
from ml_training.calibration import fit_temperature


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
    calibrated = calibrate(raw, found)
    assert expected_calibration_error(truth, calibrated) < 0.03
    assert accuracy(truth, calibrated) == accuracy(truth, raw)


class Logits(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its logits, for scikit-learn to calibrate."""

    def fit(self, logits, truth):
        self.classes_ = np.unique(truth)
        return self

    def decision_function(self, logits):
        return logits

    def predict(self, logits):
        return logits.argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.6, 1.7])
def test_temperature_scaling_is_that_of_scikit_learn(temperature):
    raw, truth = overconfident(temperature, n=1500)
    logits = np.log(raw)
    other = CalibratedClassifierCV(
        FrozenEstimator(Logits().fit(logits, truth)), method="temperature"
    ).fit(logits, truth)

    found = fit_temperature(raw, truth)

    (theirs,) = (fitted.calibrators[0] for fitted in other.calibrated_classifiers_)
    assert found == pytest.approx(1 / theirs.beta_, rel=1e-3)
    calibrated = calibrate(raw, found)
    np.testing.assert_allclose(calibrated, other.predict_proba(logits), atol=1e-4)
    # No temperature near it has a smaller loss.
    best = log_loss(truth, calibrated)
    for factor in (0.97, 1.03):
        assert log_loss(truth, calibrate(raw, factor * found)) > best


def test_the_calibration_error_is_made_of_scikit_learns_curve():
    """ECE weighs the gaps of the reliability curve by how many readings lie in each bin."""
    raw, truth = overconfident(2.0, n=2000)
    top, right = raw.max(axis=1), raw.argmax(axis=1) == truth
    true_share, mean_top = calibration_curve(right, top, n_bins=10)
    weights = np.histogram(top, bins=np.linspace(0, 1, 11))[0]
    gaps = abs(true_share - mean_top) * weights[weights > 0] / len(top)
    assert expected_calibration_error(truth, raw) == pytest.approx(gaps.sum(), abs=1e-9)
