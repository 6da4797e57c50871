import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from inference import metrics
from inference.models import LABELS


def cases(n: int = 300, seed: int = 1):
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=n)
    scores = random.random((n, 3)) + 0.8 * np.eye(3)[truth]
    return truth, scores / scores.sum(axis=1, keepdims=True)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60).filter(
        lambda found: len({positive for positive, _score in found}) == 2
    )
)
def test_auroc_agrees_with_scikit_learn_also_with_ties(found):
    positive = np.array([p for p, _ in found])
    scores = np.array([s for _, s in found], float)

    assert metrics.auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores))


def test_auroc_of_one_class_is_not_a_number():
    assert np.isnan(metrics.auroc(np.array([True, True]), np.array([0.1, 0.2])))


def test_figures_agree_with_scikit_learn():
    truth, probabilities = cases()
    chosen = probabilities.argmax(axis=1)

    assert metrics.accuracy(truth, probabilities) == pytest.approx(accuracy_score(truth, chosen))
    assert metrics.confusion(truth, probabilities) == confusion_matrix(truth, chosen).tolist()
    assert metrics.macro_auroc(truth, probabilities) == pytest.approx(
        roc_auc_score(truth, probabilities, multi_class="ovr")
    )
    assert metrics.mean_class_accuracy(truth, probabilities) == pytest.approx(
        np.mean([accuracy_score(truth == c, chosen == c) for c in range(3)])
    )


def test_calibration_error_by_hand():
    truth = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.9, 0.1, 0], [0.3, 0.7, 0]])

    # Bin 0.9: three cases, two right, gap 0.2333; bin 0.7: one case, right, gap 0.3.
    expected = 0.75 * (0.9 - 2 / 3) + 0.25 * 0.3
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(expected)


def test_interval_is_wider_when_patients_have_many_radiographs():
    truth, probabilities = cases()

    alone = metrics.bootstrap_interval(
        metrics.accuracy, truth, probabilities, np.arange(300), samples=200
    )
    grouped = metrics.bootstrap_interval(
        metrics.accuracy,
        np.repeat(truth[:30], 10),
        np.repeat(probabilities[:30], 10, axis=0),
        np.repeat(np.arange(30), 10),
        samples=200,
    )

    assert alone[0] < metrics.accuracy(truth, probabilities) < alone[1]
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


def test_evaluation_names_every_figure_and_keeps_json_free_of_nan():
    truth, probabilities = cases(40)
    truth[truth == 2] = 1

    result = metrics.evaluate(truth, probabilities)

    assert result["n"] == 40
    assert set(result["auroc"]) == set(LABELS)
    assert result["auroc"]["not_normal"] is None
    assert result["macro_auroc"] is None
