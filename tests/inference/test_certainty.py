"""What a reading may claim: sets, the gate, and the two formats of a version's facts."""

from __future__ import annotations

import numpy as np
import pytest

from inference.certainty import CertaintyRules, calibrate, prediction_sets
from inference.engine import Engine
from inference.errors import ModelUnusableError
from inference.gate import FARTHEST, Gate
from inference.models import LABELS, Analysis, Certainty
from inference.services import analysis_run, model_register
from tests.inference.factories import AnalysisFactory, certainty_facts
from tests.radiology.factories import chest_pixels

RAW = np.array([0.7, 0.25, 0.05], np.float32)


def a_gate(**changes) -> Gate:
    values = {
        "mean": np.array([1.0, 2.0, 0.0]),
        "directions": np.array([[1.0], [0.0], [0.0]]),
        "spreads": np.array([2.0]),
        "rest": 4.0,
        "threshold": 2.0,
    }
    return Gate(**values | changes)


def rules(*, quantiles=None, gate=None) -> CertaintyRules:
    facts = certainty_facts(quantiles=quantiles) | {"calibration": {"temperature": 1.0}}
    return CertaintyRules(facts, gate)


def test_a_class_is_possible_when_its_score_is_within_its_quantile():
    quantiles = {"normal": 0.3, "lung_opacity": 0.75, "not_normal": 0.5}
    probabilities = np.array([[0.75, 0.25, 0.0], [0.69, 0.24, 0.07], [0.2, 0.3, 0.5]])
    expected = [[True, True, False], [False, False, False], [False, True, True]]
    assert prediction_sets(probabilities, quantiles).tolist() == expected


@pytest.mark.parametrize(
    ("quantiles", "possible", "certainty"),
    [
        ((0.5, 0.5, 0.5), ("normal",), Certainty.CERTAIN),
        ((0.5, 0.8, 0.5), ("normal", "lung_opacity"), Certainty.UNCERTAIN),
        ((0.1, 0.8, 0.5), ("lung_opacity",), Certainty.CERTAIN),
        ((1.0, 1.0, 1.0), ("normal", "lung_opacity", "not_normal"), Certainty.UNCERTAIN),
        ((0.1, 0.1, 0.1), (), Certainty.UNLIKE),
    ],
)
def test_one_class_is_certain_more_are_not_and_none_is_unlike(quantiles, possible, certainty):
    judged = rules(quantiles=dict(zip(LABELS, quantiles, strict=True))).judge(RAW, None)
    assert (judged.prediction_set, judged.certainty) == (possible, certainty)
    assert judged.gate_score is None
    assert judged.label == (possible or ("normal",))[0], "never a class that is not possible"
    np.testing.assert_allclose(judged.probabilities, RAW, atol=1e-6)


def test_what_the_gate_refuses_is_unlike_whatever_the_set():
    certain = dict.fromkeys(LABELS, 0.5)
    near = rules(quantiles=certain, gate=a_gate()).judge(RAW, np.array([1.0, 2.0, 0.0]))
    assert (near.certainty, near.gate_score) == (Certainty.CERTAIN, 0)
    far = rules(quantiles=certain, gate=a_gate()).judge(RAW, np.array([9.0, 2.0, 0.0]))
    assert far.certainty == Certainty.UNLIKE
    assert far.gate_score == 8.0
    assert far.prediction_set == ("normal",), "what the set was stays known"


def test_the_distance_counts_what_lies_in_and_outside_the_directions():
    gate = a_gate()
    # Two spreads along the direction, and a squared length of 9 + 16 outside it.
    assert gate.distance(np.array([5.0, 5.0, 4.0])) == pytest.approx(2**2 + 25 / 4)
    many = gate.distance(np.array([[1.0, 2.0, 0.0], [5.0, 5.0, 4.0]]))
    np.testing.assert_allclose(many, [0, 10.25])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_features_that_are_no_numbers_are_as_far_as_can_be(value):
    assert a_gate().score(np.array([value, 0, 0])) == FARTHEST
    assert rules(gate=a_gate()).judge(RAW, np.array([value, 0, 0])).certainty == Certainty.UNLIKE


def test_a_gate_is_read_as_it_was_written():
    content = a_gate().to_bytes()
    found = Gate.from_bytes(content, 2.0)
    assert found.distance(np.array([5.0, 5.0, 4.0])) == pytest.approx(10.25)
    assert len(content) < 1_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": np.zeros(2)},
        {"spreads": np.array([0.0])},
        {"spreads": np.array([1.0, 1.0])},
        {"rest": 0.0},
        {"rest": np.nan},
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValueError, match="a gate"):
        Gate.from_bytes(a_gate(**changes).to_bytes(), 2.0)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04"])
def test_what_is_no_gate_is_refused(content):
    with pytest.raises(ValueError):
        Gate.from_bytes(content, 1.0)


def test_limits_of_format_1_are_kept():
    facts = {
        "calibration": {"temperature": 2.0},
        "thresholds": {"certainty": {"high": 0.8, "moderate": 0.5}},
    }
    judge = CertaintyRules(facts).judge
    for raw, certainty in (
        ([0.98, 0.01, 0.01], Certainty.HIGH),
        ([0.7, 0.25, 0.05], Certainty.MODERATE),
        ([0.4, 0.3, 0.3], Certainty.LOW),
    ):
        judged = judge(np.array(raw), None)
        assert judged.certainty == certainty
        assert judged.prediction_set is judged.gate_score is None
        np.testing.assert_allclose(judged.probabilities, calibrate(np.array(raw), 2.0))


# --- With real weights ------------------------------------------------------------------------


def test_a_prediction_of_format_2(folder_with_sets):
    image = chest_pixels(512, 448, bits_stored=8)
    certain = Engine.load(folder_with_sets(version="2")).predict(image)
    assert set(certain.prediction_set) == set(LABELS)
    assert certain.prediction_set[0] == certain.label
    assert certain.certainty == Certainty.UNCERTAIN
    assert 0 <= certain.gate_score <= 1
    refused = Engine.load(folder_with_sets(version="3", threshold=1e-9)).predict(image)
    assert refused.certainty == Certainty.UNLIKE
    assert refused.gate_score > 1
    assert refused.probabilities == certain.probabilities
    np.testing.assert_array_equal(refused.activation, certain.activation)


def test_a_gate_for_another_network_is_refused(folder_with_sets):
    folder = folder_with_sets(version="2")
    from tests.inference.factories import with_certainty

    facts = (folder / "facts.json").read_text()
    assert '"channels"' in facts
    (folder / "facts.json").write_text(facts.replace('"channels": ', '"channels": 1'))
    with pytest.raises(ModelUnusableError):
        Engine.load(with_certainty(folder))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("threshold", "certainty", "typical"),
    [(1e9, Certainty.UNCERTAIN, True), (1e-9, Certainty.UNLIKE, False)],
)
def test_a_reading_keeps_its_set_and_its_score(folder_with_sets, threshold, certainty, typical):
    model_register(directory=folder_with_sets(version="2", threshold=threshold), promote=True)
    analysis = AnalysisFactory(queued=True)
    assert analysis_run(analysis_id=analysis.pk)
    found = Analysis.objects.get()
    assert found.status == Analysis.Status.DONE
    assert found.certainty == certainty
    assert found.prediction_set[0] == found.label
    assert sorted(found.prediction_set) == sorted(LABELS)
    assert found.typical is typical


@pytest.mark.django_db
def test_a_reading_by_a_version_of_format_1_has_neither():
    analysis = AnalysisFactory()
    assert analysis.prediction_set is analysis.gate_score is analysis.typical is None
