import numpy as np
import pytest
from scipy.stats import spearmanr

from ml_training import localisation
from ml_training.errors import DatasetInvalidError


def test_boxes_are_shares_of_the_original(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("patientId,x,y,width,height\na,512,256,256,512\na,0,0,1200,10\nb,,,,\n")

    boxes = localisation.read_boxes(path)

    assert set(boxes) == {"a"}
    np.testing.assert_allclose(boxes["a"], [[0.5, 0.25, 0.75, 0.75], [0, 0, 1, 10 / 1024]])
    path.write_text("patientId,left\na,1\n")
    with pytest.raises(DatasetInvalidError):
        localisation.read_boxes(path)


def test_the_hottest_point_is_the_middle_of_its_cell():
    activation = np.zeros((8, 8))
    activation[1, 6] = 1

    assert localisation.hottest(activation) == (6.5 / 8, 1.5 / 8)


def planted(n: int = 40):
    """One box of a quarter of the sides an image, anywhere; maps that are hot in its middle."""
    random = np.random.default_rng(1)
    boxes, maps = [], []
    for _ in range(n):
        row, column = random.integers(1, 7, 2)
        left, top = (column + 0.5) / 8 - 0.125, (row + 0.5) / 8 - 0.125
        boxes.append(np.array([[left, top, left + 0.25, top + 0.25]]))
        activation = random.random((8, 8)) * 0.5
        activation[row, column] = 0.9
        maps.append(activation)
    return np.array(maps), boxes, np.arange(n)


def test_maps_that_point_at_the_boxes_hit_and_others_do_not():
    maps, boxes, patients = planted()

    right = localisation.box_hits(maps, boxes, patients)
    noise = localisation.box_hits(np.random.default_rng(2).random(maps.shape), boxes, patients)

    assert right["hit_rate"] == 1
    assert right["interval_95"] == (pytest.approx(0.025 ** (1 / 40)), 1)
    assert right["random_point"] == pytest.approx(1 / 16, abs=0.003)
    assert right["other_map"] < 0.3
    assert noise["hit_rate"] < 0.25
    assert noise["interval_95"][0] <= noise["hit_rate"] <= noise["interval_95"][1]


def test_a_map_that_points_at_a_corner_hits_nothing_and_says_how_sure_that_is():
    maps, boxes, patients = planted(20)
    maps[:, 0, 0] = 2

    found = localisation.box_hits(maps, boxes, patients)

    assert found["hit_rate"] == 0
    assert found["interval_95"] == (0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_overlapping_boxes_cover_once():
    boxes = np.array([[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5]])

    assert localisation.covered_share(boxes) == pytest.approx(0.375)


def test_rank_correlation_agrees_with_scipy():
    random = np.random.default_rng(3)
    one, other = random.integers(6, size=(2, 8, 8))

    expected = spearmanr(one.ravel(), other.ravel()).statistic
    assert localisation.rank_correlation(one, other) == pytest.approx(expected)
    assert localisation.rank_correlation(one, one**3) == pytest.approx(1)
    assert np.isnan(localisation.rank_correlation(one, np.ones((8, 8))))


def test_correlations_leave_flat_maps_out():
    maps, _boxes, _patients = planted(5)
    others = maps.copy()
    others[0] = 1.0

    found = localisation.correlations(maps, others)

    assert found == {
        "n": 4,
        "mean": pytest.approx(1),
        "mean_absolute": pytest.approx(1),
        "alike": 1.0,
    }
