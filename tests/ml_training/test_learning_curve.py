import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference import metrics
from ml_training import learning_curve as curves
from ml_training.cases import Cases


def cases_of(truth: np.ndarray, prefix: str) -> Cases:
    n = len(truth)
    text = np.full(n, "")
    return Cases(
        ids=np.array([f"{prefix}{i}" for i in range(n)]),
        truth=truth,
        patients=np.array([f"{prefix}{i // 2}" for i in range(n)]),
        sexes=text, ages=np.full(n, np.nan), views=text, origins=text, files=text,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    """Features of which a few, among much noise, tell the class: more patients help."""
    random = np.random.default_rng(1)
    cases, features = {}, {}
    for split, size in (("train", 480), ("val", 200), ("test", 400)):
        truth = random.integers(3, size=size)
        cases[split] = cases_of(truth, split)
        features[split] = random.normal(size=(size, 120)).astype(np.float32)
        features[split][:, :3] += 1.2 * np.eye(3)[truth]
    return features, cases


def test_a_smaller_share_of_patients_is_part_of_a_larger_one():
    patients = np.array([f"p{i // 3}" for i in range(90)])

    half = curves.some_patients(patients, 0.5, seed=1)
    tenth = curves.some_patients(patients, 0.1, seed=1)

    assert len(np.unique(patients[half])) == 15
    assert len(np.unique(patients[tenth])) == 3
    assert (half | ~tenth).all()
    assert not set(patients[half]) & set(patients[~half])
    assert not np.array_equal(half, curves.some_patients(patients, 0.5, seed=2))
    assert curves.some_patients(patients, 1.0, seed=3).all()
    assert curves.plan((1.0, 0.5), 2) == [(0.5, 0), (0.5, 1), (1.0, 0)]


def test_more_patients_give_a_better_last_layer(planted):
    features, cases = planted

    points = curves.refit_points(features, cases, split="test", shares=(1 / 8, 1.0), seeds=2)

    reached = [metrics.macro_auroc(cases["test"].truth, p.probabilities) for p in points]
    assert [p.patients for p in points] == [30, 30, 240]
    assert [p.images for p in points] == [60, 60, 480]
    assert max(reached[:2]) < reached[2]
    assert reached[2] > 0.75


def test_the_refitted_layer_is_the_one_that_validation_likes_best(planted):
    from sklearn.linear_model import LogisticRegression

    features, cases = planted
    train = features["train"], cases["train"].truth
    val = features["val"], cases["val"].truth

    found = curves.refit(train, val, features["test"])

    middle, spread = train[0].mean(axis=0), train[0].std(axis=0)
    tried = {}
    for strength in curves.STRENGTHS:
        layer = LogisticRegression(C=strength, max_iter=5000, class_weight="balanced")
        layer.fit((train[0] - middle) / spread, train[1])
        score = metrics.macro_auroc(val[1], layer.predict_proba((val[0] - middle) / spread))
        tried[score] = layer.predict_proba((features["test"] - middle) / spread)
    np.testing.assert_allclose(found, tried[max(tried)], atol=0.01)


def test_a_class_that_a_small_share_lacks_gets_no_probability(planted):
    features, cases = planted
    two = cases["train"].truth < 2

    found = curves.refit(
        (features["train"][two], cases["train"].truth[two]),
        (features["val"], cases["val"].truth),
        features["test"],
    )

    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("truth", [(0.9, 0.8, 0.5), (0.85, 2.0, 0.9), (0.95, 1.0, 0.3)])
def test_the_law_that_made_the_points_is_found(truth):
    sizes = np.repeat([50.0, 100, 200, 400, 800, 1600], 5)
    noise = np.random.default_rng(4).normal(0, 0.002, len(sizes))

    found = curves.fit_law(sizes, curves.law(sizes, *truth) + noise)

    grid = np.geomspace(50, 6400, 30)
    np.testing.assert_allclose(curves.law(grid, *found), curves.law(grid, *truth), atol=0.02)


def test_no_law_from_three_sizes():
    assert curves.fit_law(np.array([1.0, 2, 3, 3]), np.array([0.5, 0.6, 0.7, 0.7])) is None


def test_a_series_has_its_means_its_law_and_a_band_that_widens(planted):
    features, cases = planted
    points = curves.refit_points(
        features, cases, split="test", shares=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0), seeds=2
    )

    found = curves.series("planted", points, cases["test"])

    assert json.loads(json.dumps(found)) == found
    means = [mean["mean"] for mean in found["means"]]
    assert [mean["patients"] for mean in found["means"]] == [15, 30, 60, 120, 240]
    assert means[0] < means[-1]
    law = found["law"]
    assert law["limit"] <= 1
    assert law["macro_auroc"] == sorted(law["macro_auroc"])
    here, *ahead = law["ahead"]
    assert here["patients"] == 240
    assert here["macro_auroc"] == pytest.approx(means[-1], abs=0.03)
    assert [one["patients"] for one in ahead] == [480, 960, 2400]
    assert all(one["low"] <= one["macro_auroc"] <= one["high"] for one in law["ahead"])
    assert ahead[-1]["high"] - ahead[-1]["low"] > 0.9 * (here["high"] - here["low"])


def test_a_part_of_an_index_keeps_other_splits_and_the_files(tmp_path):
    (tmp_path / "data").mkdir()
    index = tmp_path / "data" / "index.csv"
    index.write_text(
        "nih_patient,label,split,file\na,normal,train,images/1.png\nb,normal,train,images/2.png\n"
        "c,normal,val,images/3.png\n"
    )

    curves.part_of_index(index, tmp_path / "part.csv", {"b"})

    with (tmp_path / "part.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["nih_patient"] for row in rows] == ["b", "c"]
    assert rows[0]["file"] == str(tmp_path / "data" / "images" / "2.png")


def test_patients_of_lung_masked_radiographs_are_among_those_who_are_drawn(tmp_path):
    masked = tmp_path / "masked.csv"
    masked.write_text("nih_patient,label,file\nb,normal,1.png\nc,normal,2.png\nd,normal,3.png\n")
    train = replace(cases_of(np.array([0, 1]), "train"), patients=np.array(["a", "b"]))

    patients = curves.everyone(train, masked)

    assert patients.tolist() == ["a", "b", "b", "c", "d"]
    assert curves.some_patients(patients, 1.0, seed=1).all(), "the whole is the whole"
    half = set(patients[curves.some_patients(patients, 0.5, seed=1)])
    curves.part_of_index(masked, tmp_path / "part.csv", half)
    with (tmp_path / "part.csv").open() as file:
        assert {row["nih_patient"] for row in csv.DictReader(file)} == half & {"b", "c", "d"}
    assert curves.everyone(train, None).tolist() == ["a", "b"]


def test_says_what_it_cannot_measure(tmp_path):
    with pytest.raises(CommandError, match="Name a model"):
        call_command("learning_curve")
    with pytest.raises(CommandError, match="Shares"):
        call_command("learning_curve", tmp_path, shares=[0.0])
