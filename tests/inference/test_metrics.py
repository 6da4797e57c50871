from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from inference import metrics
from inference.models import LABELS
from inference.resampling import intervals, paired_differences, resample


def cases(n: int = 300, seed: int = 1, ties: bool = False):
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=n)
    scores = random.random((n, 3)) + 0.8 * np.eye(3)[truth]
    if ties:
        scores = np.ceil(4 * scores)
    return truth, scores / scores.sum(axis=1, keepdims=True)


def their_sensitivity_at(positive, scores, specificity=0.95, weights=None):
    alarms, found, _ = theirs.roc_curve(
        positive, scores, sample_weight=weights, drop_intermediate=False
    )
    return found[alarms <= 1 - specificity + 1e-9].max()


def their_specificity_at(positive, scores, sensitivity=0.95, weights=None):
    alarms, found, _ = theirs.roc_curve(
        positive, scores, sample_weight=weights, drop_intermediate=False
    )
    return 1 - alarms[found >= sensitivity - 1e-9].min()


def their_figures(truth, probabilities, weights=None) -> dict[str, float]:
    """Every figure of ``metrics.MEASURES`` but the ECE, by scikit-learn."""
    chosen = probabilities.argmax(axis=1)
    w = {"sample_weight": weights}
    onehot = np.eye(3)[truth]
    figures = {
        "accuracy": theirs.accuracy_score(truth, chosen, **w),
        "macro_auroc": theirs.roc_auc_score(onehot, probabilities, average="macro", **w),
        "macro_average_precision": theirs.average_precision_score(
            onehot, probabilities, average="macro", **w
        ),
        "brier": theirs.brier_score_loss(
            truth, probabilities, scale_by_half=False, labels=[0, 1, 2], **w
        ),
    }
    binary = []
    for index, label in enumerate(LABELS):
        positive, scores, said = truth == index, probabilities[:, index], chosen == index
        binary.append(theirs.accuracy_score(positive, said, **w))
        figures |= {
            f"auroc_{label}": theirs.roc_auc_score(positive, scores, **w),
            f"average_precision_{label}": theirs.average_precision_score(positive, scores, **w),
            f"class_accuracy_{label}": binary[-1],
            f"sensitivity_{label}": theirs.recall_score(positive, said, **w),
            f"specificity_{label}": theirs.recall_score(positive, said, pos_label=False, **w),
            f"ppv_{label}": theirs.precision_score(positive, said, **w),
            f"npv_{label}": theirs.precision_score(positive, said, pos_label=False, **w),
            f"sensitivity_at_95_specificity_{label}": their_sensitivity_at(
                positive, scores, weights=weights
            ),
            f"specificity_at_95_sensitivity_{label}": their_specificity_at(
                positive, scores, weights=weights
            ),
        }
    return figures | {"mean_class_accuracy": np.mean(binary)}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [12, 300])
def test_every_figure_agrees_with_scikit_learn(n, ties):
    truth, probabilities = cases(n, ties=ties)
    expected = their_figures(truth, probabilities)

    found = {name: measure(truth, probabilities) for name, measure in metrics.MEASURES.items()}

    assert set(found) == set(expected) | {"ece"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    chosen = probabilities.argmax(axis=1)
    assert metrics.confusion(truth, probabilities) == (
        theirs.confusion_matrix(truth, chosen).tolist()
    )


def test_every_figure_of_a_resample_is_that_of_its_copied_cases():
    """Weights stand for copies; scikit-learn judges three resamples drawn by patient."""
    truth, probabilities = cases(120, ties=True)
    patients = np.random.default_rng(4).integers(50, size=120)
    weights = np.concatenate(list(resample(patients, samples=3)))
    assert weights.shape == (3, 120)

    for name, measure in metrics.MEASURES.items():
        values = measure(truth, probabilities, weights)
        for row, value in zip(weights, values, strict=True):
            copies = np.repeat(np.arange(120), row.astype(int))
            alone = measure(truth[copies], probabilities[copies])
            assert value == pytest.approx(alone, abs=1e-9), name
            if name != "ece":
                judged = their_figures(truth, probabilities, row)[name]
                assert value == pytest.approx(judged, abs=1e-9), name


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60).filter(
        lambda found: len({positive for positive, _score in found}) == 2
    )
)
def test_ranking_figures_agree_with_scikit_learn_whatever_the_ties(found):
    positive = np.array([p for p, _ in found])
    scores = np.array([s for _, s in found], float)

    assert metrics.auroc(positive, scores) == pytest.approx(theirs.roc_auc_score(positive, scores))
    assert metrics.average_precision(positive, scores) == pytest.approx(
        theirs.average_precision_score(positive, scores)
    )
    for asked in (0.0, 0.5, 0.95, 1.0):
        assert metrics.sensitivity_at(positive, scores, specificity=asked) == pytest.approx(
            their_sensitivity_at(positive, scores, asked)
        )
        assert metrics.specificity_at(positive, scores, sensitivity=asked) == pytest.approx(
            their_specificity_at(positive, scores, asked)
        )


def test_what_needs_both_classes_is_not_a_number_with_one():
    scores = np.array([0.1, 0.2])

    assert np.isnan(metrics.auroc(np.array([True, True]), scores))
    assert np.isnan(metrics.sensitivity_at(np.array([True, True]), scores))
    assert np.isnan(metrics.sensitivity_at(np.array([False, False]), scores))
    assert np.isnan(metrics.specificity_at(np.array([False, False]), scores))
    assert np.isnan(metrics.average_precision(np.array([False, False]), scores))


@given(st.integers(0, 10_000))
def test_mean_class_accuracy_follows_from_accuracy(seed):
    truth, probabilities = cases(40, seed)

    assert metrics.mean_class_accuracy(truth, probabilities) == pytest.approx(
        1 - 2 / 3 * (1 - metrics.accuracy(truth, probabilities))
    )


@pytest.mark.parametrize("ties", [False, True])
def test_curves_agree_with_scikit_learn(ties):
    truth, probabilities = cases(ties=ties)
    positive, scores = truth == 1, probabilities[:, 1]

    alarms, found, thresholds = metrics.roc_curve(positive, scores)
    expected = theirs.roc_curve(positive, scores, drop_intermediate=False)
    for mine, other in zip((alarms, found, thresholds), expected, strict=True):
        np.testing.assert_allclose(mine, other)
    assert theirs.auc(alarms, found) == pytest.approx(metrics.auroc(positive, scores))

    recall, precision, thresholds = metrics.pr_curve(positive, scores)
    # scikit-learn lists the lowest threshold first and ends with a point of its own.
    other_precision, other_recall, other_thresholds = theirs.precision_recall_curve(
        positive, scores
    )
    np.testing.assert_allclose(recall, other_recall[-2::-1])
    np.testing.assert_allclose(precision, other_precision[-2::-1])
    np.testing.assert_allclose(thresholds, other_thresholds[::-1])


def test_reliability_agrees_with_scikit_learn_and_holds_its_interval():
    truth, probabilities = cases()
    hits, scores = truth == 2, probabilities[:, 2]

    curve = metrics.reliability_curve(hits, scores)

    so, said = calibration_curve(hits, scores, n_bins=10)
    np.testing.assert_allclose([entry["so"] for entry in curve], so)
    np.testing.assert_allclose([entry["said"] for entry in curve], said)
    assert sum(entry["n"] for entry in curve) == 300
    for entry in curve:
        low, high = entry["interval_95"]
        assert low <= entry["so"] <= high


def test_calibration_error_by_hand():
    truth = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.9, 0.1, 0], [0.3, 0.7, 0]])

    # Bin 0.9: three cases, two right, gap 0.2333; bin 0.7: one case, right, gap 0.3.
    expected = 0.75 * (0.9 - 2 / 3) + 0.25 * 0.3
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(expected)


def test_calibration_error_is_the_gap_of_the_reliability_curve():
    truth, probabilities = cases()
    right = probabilities.argmax(axis=1) == truth

    curve = metrics.reliability_curve(right, probabilities.max(axis=1))

    gap = sum(entry["n"] * abs(entry["so"] - entry["said"]) for entry in curve) / 300
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(gap)


def interval(*cases, samples: int) -> tuple[float, float]:
    """That of the accuracy."""
    return intervals({"accuracy": metrics.accuracy}, *cases, samples=samples)["accuracy"]


def test_interval_is_wider_when_patients_have_many_radiographs():
    truth, probabilities = cases()

    alone = interval(truth, probabilities, np.arange(300), samples=200)
    grouped = interval(
        np.repeat(truth[:30], 10),
        np.repeat(probabilities[:30], 10, axis=0),
        np.repeat(np.arange(30), 10),
        samples=200,
    )

    assert alone[0] < metrics.accuracy(truth, probabilities) < alone[1]
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


def test_interval_of_a_share_is_the_one_that_theory_gives():
    hits = np.zeros(400, int)
    hits[:100] = 1  # "right" where the truth is the class that is always chosen
    probabilities = np.tile([0.2, 0.8, 0.0], (400, 1))

    low, high = interval(hits, probabilities, np.arange(400), samples=4000)

    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - half, 0.25 + half), abs=0.006)


def test_the_same_seed_draws_the_same_patients(monkeypatch):
    truth, probabilities = cases()
    patients = np.arange(300) // 2
    draw = partial(intervals, metrics.MEASURES, truth, probabilities, patients, samples=50)

    first = draw(seed=1)
    assert first == draw(seed=1)
    assert first["accuracy"] != draw(seed=2)["accuracy"]
    # All radiographs of a patient are drawn together, and chunks change nothing.
    (weights,) = resample(patients, samples=50, seed=1)
    assert np.array_equal(weights[:, ::2], weights[:, 1::2])
    monkeypatch.setattr("inference.resampling._CELLS", 3_000)
    chunks = list(resample(patients, samples=50, seed=1))
    assert len(chunks) == 5
    np.testing.assert_array_equal(np.concatenate(chunks), weights)


def test_a_difference_between_models_is_seen_where_each_interval_alone_hides_it():
    truth, one = cases(200)
    right = np.eye(3)[truth]
    # Right on a few more cases, the same elsewhere.
    wrong = np.flatnonzero(one.argmax(axis=1) != truth)[:10]
    gained = len(wrong)
    other = one.copy()
    other[wrong] = right[wrong]
    measures = {"accuracy": metrics.accuracy, "macro_auroc": metrics.macro_auroc}

    found = paired_differences(measures, truth, one, other, np.arange(200))

    accuracy = found["accuracy"]
    assert accuracy["difference"] == pytest.approx(gained / 200)
    assert 0 < accuracy["interval_95"][0] < gained / 200 < accuracy["interval_95"][1]
    assert accuracy["p"] == pytest.approx(0.001)
    same = paired_differences(measures, truth, one, one, np.arange(200))["macro_auroc"]
    assert same == {"difference": 0.0, "interval_95": (0.0, 0.0), "p": 1.0}


def test_evaluation_names_every_figure_and_keeps_json_free_of_nan():
    truth, probabilities = cases(40)
    truth[truth == 2] = 1

    result = metrics.evaluate(truth, probabilities)

    assert result["n"] == 40
    assert set(metrics.OVERALL) | set(metrics.BY_CLASS) <= set(result)
    assert set(result["auroc"]) == set(LABELS)
    assert result["auroc"]["not_normal"] is None
    assert result["macro_auroc"] is None
    assert result["intervals_95"]["auroc_not_normal"] == [None, None]
    assert set(result["intervals_95"]) == set(metrics.MEASURES)
