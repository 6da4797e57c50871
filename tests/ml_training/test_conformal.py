"""Conformal sets and triage limits: the promised coverage holds on simulated data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference.certainty import prediction_sets
from inference.models import LABELS
from ml_training.conformal import (
    class_quantiles,
    conformal_facts,
    conformal_quantile,
    measure_sets,
)
from ml_training.triage import rule_in_threshold, rule_out_threshold, triage_facts


def simulated(random: np.random.Generator, n: int, weights=(0.5, 0.3, 0.2)):
    """A classifier that is biased against the last class: softmax of shifted, noisy logits."""
    truth = random.choice(3, n, p=weights)
    logits = random.normal(0, 1.2, (n, 3)) + 1.5 * np.eye(3)[truth] - [0, 0, 1.5]
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), truth


def coverage_of(truth, sets) -> dict[str, float]:
    held = sets[np.arange(len(truth)), truth]
    return {label: held[truth == place].mean() for place, label in enumerate(LABELS)}


def test_the_quantile_is_the_rank_of_the_finite_sample():
    scores = np.arange(1, 100) / 100
    # 99 scores: the 90th, as ceil(100 * 0.9) = 90.
    assert conformal_quantile(scores, 0.9) == 0.90
    assert conformal_quantile(scores[:19], 0.9) == 0.18
    assert conformal_quantile(scores[:9], 0.9) == 0.09
    # With eight scores no score is large enough to promise 90%.
    assert conformal_quantile(scores[:8], 0.9) == 1.0
    assert conformal_quantile(np.array([]), 0.9) == 1.0


@pytest.mark.parametrize("n", [60, 200])
def test_each_class_is_covered_as_promised(n):
    """Over many validation splits the mean coverage lies in [0.9, 0.9 + 1 / (n_class + 1)]."""
    random = np.random.default_rng(11)
    found, sizes = [], []
    for _repeat in range(400):
        quantiles = class_quantiles(*simulated(random, n))
        probabilities, truth = simulated(random, 1500)
        sets = prediction_sets(probabilities, quantiles)
        found.append(list(coverage_of(truth, sets).values()))
        sizes.append(sets.sum(axis=1).mean())
    coverage = np.mean(found, axis=0)
    noise = 3 * np.std(found, axis=0) / np.sqrt(len(found))
    smallest_class = n * np.array([0.5, 0.3, 0.2])
    assert (coverage >= 0.9 - noise).all()
    assert (coverage <= 0.9 + 1 / (0.7 * smallest_class) + noise).all()
    # Not by naming every class.
    assert np.mean(sizes) < 2.2


def test_without_classes_apart_the_rare_class_would_be_let_down():
    """Why the sets are class-conditional: one quantile for all covers all, but not each."""
    random = np.random.default_rng(12)
    probabilities, truth = simulated(random, 4000)
    pooled = conformal_quantile(1 - probabilities[np.arange(4000), truth], 0.9)
    probabilities, truth = simulated(random, 20_000)
    one = coverage_of(truth, prediction_sets(probabilities, dict.fromkeys(LABELS, pooled)))
    own = coverage_of(
        truth, prediction_sets(probabilities, class_quantiles(*simulated(random, 4000)))
    )
    assert one["not_normal"] < 0.8
    assert min(own.values()) > 0.87


def test_the_measured_figures():
    truth = np.array([0, 0, 1, 2])
    sets = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]], bool)
    found = measure_sets(truth, sets, np.arange(4))
    assert found["coverage"] == {"normal": 0.5, "lung_opacity": 1.0, "not_normal": 0.0}
    assert found["set_size"] == {"normal": 1.0, "lung_opacity": 2.0, "not_normal": 0.0}
    assert found["sizes"] == {
        "normal": [0, 2, 0, 0],
        "lung_opacity": [0, 0, 1, 0],
        "not_normal": [1, 0, 0, 0],
    }
    assert (found["mean_coverage"], found["certain"], found["certain_right"]) == (0.5, 0.5, 0.5)
    low, high = found["intervals_95"]["mean_coverage"]
    assert 0 <= low <= 0.5 <= high <= 1


def test_what_the_facts_say():
    random = np.random.default_rng(13)
    splits = {name: simulated(random, 300) for name in ("val", "test")}
    probabilities = {name: found[0] for name, found in splits.items()}
    truth = {name: found[1] for name, found in splits.items()}
    patients = {name: np.arange(300) // 2 for name in splits}

    facts = conformal_facts(probabilities, truth, patients)
    assert facts["coverage"] == 0.9
    assert set(facts["quantiles"]) == set(facts["n"]) == set(LABELS)
    measured = facts["measured"]["test"]
    for label in LABELS:
        low, high = measured["intervals_95"][f"coverage_{label}"]
        assert low <= measured["coverage"][label] <= high

    triage = triage_facts(probabilities, truth, patients)
    out, into = triage["rule_out"], triage["rule_in"]
    assert out["threshold"] < into["threshold"]
    assert out["measured"]["test"]["sensitivity"] == pytest.approx(0.95, abs=0.06)
    assert into["measured"]["test"]["specificity"] == pytest.approx(0.95, abs=0.06)
    positives = truth["test"] == 1
    scores = probabilities["test"][:, 1]
    ruled_out = scores < out["threshold"]
    assert out["measured"]["test"]["share"] == ruled_out.mean()
    assert out["measured"]["test"]["right"] == pytest.approx((~positives)[ruled_out].mean())
    assert out["measured"]["test"]["sensitivity"] == pytest.approx(1 - ruled_out[positives].mean())
    json.dumps([facts, triage], allow_nan=False)


def test_triage_limits_hold_what_they_promise():
    """A new positive falls below the rule-out limit in at most 5% of cases, on average."""
    random = np.random.default_rng(14)
    missed, alarmed = [], []
    for _repeat in range(400):
        probabilities, truth = simulated(random, 240)
        positive, scores = truth == 1, probabilities[:, 1]
        out = rule_out_threshold(positive, scores, 0.95)
        into = rule_in_threshold(positive, scores, 0.95)
        probabilities, truth = simulated(random, 1500)
        positive, scores = truth == 1, probabilities[:, 1]
        missed.append((scores < out)[positive].mean())
        alarmed.append((scores > into)[~positive].mean())
    assert 0.03 < np.mean(missed) < 0.053
    assert 0.03 < np.mean(alarmed) < 0.053


def test_with_too_few_cases_nothing_is_ruled_out_or_in():
    positive, scores = np.array([True] * 10 + [False] * 10), np.linspace(0.01, 0.99, 20)
    assert rule_out_threshold(positive, scores, 0.95) == 0.0
    assert rule_in_threshold(positive, scores, 0.95) == 1.0
    splits = {
        "val": np.column_stack([1 - scores, scores, np.zeros(20)]),
        "test": np.column_stack([1 - scores, scores, np.zeros(20)]),
    }
    truth = dict.fromkeys(("val", "test"), positive.astype(int))
    facts = triage_facts(splits, truth, dict.fromkeys(("val", "test"), np.arange(20)))
    assert facts["rule_out"]["measured"]["test"]["share"] == 0
    assert facts["rule_out"]["measured"]["test"]["right"] is None
