import csv
import json
import re

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import override

from inference import metrics
from inference.models import LABELS
from ml_training.comparison import compare, groups_of
from ml_training.comparison_candidates import read_candidate
from ml_training.comparison_report import figures_of, render
from ml_training.errors import RunInvalidError

SIZES = {"train": 30, "val": 90, "test": 150}


def write_index(folder, *, seed: int = 1) -> list[dict]:
    random = np.random.default_rng(seed)
    rows = []
    for split, size in SIZES.items():
        for number in range(size):
            name = f"{split}{number:03}"
            rows.append(
                {
                    "image_id": name,
                    "label": LABELS[number % 3],
                    "patient": f"{split}-{number // 2}",
                    "sex": "FM"[random.integers(2)],
                    "age": str(random.integers(1, 90)) if number else "",
                    "view": "PA" if number % 10 else "AP",
                    "origin": ("clinic", "website")[random.integers(2)],
                    "split": split,
                    "file": f"images/{name}.png",
                }
            )
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def write_run(folder, rows, *, skill: float, seed: int = 2, history: bool = True, **config):
    """A run folder as training leaves it; ``skill`` 0 knows nothing, large is perfect."""
    random = np.random.default_rng(seed)
    folder.mkdir()
    arrays = {}
    for split in ("val", "test"):
        here = [row for row in rows if row["split"] == split]
        truth = np.array([LABELS.index(row["label"]) for row in here])
        logits = random.normal(size=(len(here), 3)) + skill * np.eye(3)[truth]
        raw = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        order = random.permutation(len(here))
        arrays[f"{split}_ids"] = np.array([row["image_id"] for row in here])[order]
        arrays[f"{split}_truth"] = truth[order]
        arrays[f"{split}_probabilities"] = raw[order].astype(np.float32)
        features = random.normal(size=(len(here), 16)) + np.eye(16)[truth] * skill
        arrays[f"{split}_features"] = features[order].astype(np.float32)
    np.savez(folder / "predictions.npz", **arrays)
    config = {
        "name": folder.name,
        "version": "1",
        "index": str(folder.parent / "index.csv"),
    } | config
    (folder / "config.json").write_text(json.dumps(config))
    facts = {
        "name": folder.name,
        "version": "1",
        "architecture": config.get("architecture", "mobilenetv2"),
        "training": {"config": config, "seconds": 120, "epochs": 4, "revision": "abc1234"},
    }
    (folder / "run.json").write_text(json.dumps(facts))
    if history:
        (folder / "history.csv").write_text(
            "epoch,loss,val_loss,accuracy,val_accuracy,val_macro_auroc,seconds\n"
            + "".join(f"{e},{1 / e},{1.2 / e},0.{e},0.{e},0.{seed}{e},3{e}\n" for e in range(1, 5))
        )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture(scope="module")
def rows(folder):
    return write_index(folder)


@pytest.fixture(scope="module")
def runs(folder, rows):
    return [
        write_run(folder / "cnn", rows, skill=1.0, architecture="cnn", weights="none"),
        write_run(
            folder / "transfer", rows, skill=3.0, seed=3, architecture="mobilenetv2", weights="x.h5"
        ),
    ]


@pytest.fixture(scope="module")
def compared(runs):
    return compare(runs)


@pytest.fixture(scope="module")
def english_page(compared):
    with override("en"):
        return render(compared)


def test_figures_are_those_of_the_stored_predictions(compared, runs, rows):
    with np.load(runs[1] / "predictions.npz") as stored:
        truth, raw = stored["test_truth"], stored["test_probabilities"]
        ids = stored["test_ids"]

    found = compared.figures["transfer:1"]["test"]

    assert found["n"] == SIZES["test"]
    # Temperature changes neither the order nor the choice of a class by much: accuracy is kept.
    assert found["accuracy"] == pytest.approx(metrics.accuracy(truth, raw))
    candidate = compared.candidates[1]
    where = {name: place for place, name in enumerate(ids.tolist())}
    order = [where[name] for name in compared.cases["test"].ids.tolist()]
    expected = np.log(raw[order]) / candidate.temperature
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(candidate.probabilities["test"], expected, atol=1e-5)
    # Patients come from the index: intervals are by patient, not by image.
    assert len(np.unique(compared.cases["test"].patients)) == SIZES["test"] / 2


def test_the_better_model_is_better_beyond_chance(compared):
    (pair,) = compared.pairs

    assert (pair["one"], pair["other"]) == ("cnn:1", "transfer:1")
    gap = pair["measures"]["macro_auroc"]
    assert gap["interval_95"][0] > 0
    assert gap["p"] < 0.01
    assert pair["measures"]["brier"]["difference"] < 0


def test_a_perfect_model_is_perfect_and_a_blind_one_is_not(folder, rows):
    perfect = write_run(folder / "perfect", rows, skill=60.0)
    blind = write_run(folder / "blind", rows, skill=0.0, history=False)

    found = compare([perfect, blind]).figures

    best, worst = found["perfect:1"]["test"], found["blind:1"]["test"]
    for name in ("accuracy", "mean_class_accuracy", "macro_auroc", "macro_average_precision"):
        assert best[name] == pytest.approx(1.0)
    assert best["ece"] < 0.01
    assert best["intervals_95"]["macro_auroc"] == [1.0, 1.0]
    low, high = worst["intervals_95"]["macro_auroc"]
    assert low < 0.5 < high


def test_both_accuracies_follow_the_formula(compared):
    for found in compared.figures.values():
        one = found["test"]
        assert one["mean_class_accuracy"] == pytest.approx(1 - 2 / 3 * (1 - one["accuracy"]))
    # "86% accuracy" for three classes.
    assert pytest.approx(0.86) == 1 - 2 / 3 * (1 - 0.79)


def test_subgroups_hold_every_case_once_and_say_when_they_are_small(compared):
    cases = compared.cases["test"]

    for by, groups in groups_of(cases).items():
        covered = sum(mask.astype(int) for _name, mask in groups)
        assert (covered == 1).all(), by
    views = {row["name"]: row for row in compared.subgroups["view"]}
    assert views["AP"]["small"]
    assert set(views["AP"]["figures"]["cnn:1"]) == {"accuracy"}
    assert not views["PA"]["small"]
    value, low, high = views["PA"]["figures"]["cnn:1"]["macro_auroc"]
    assert low < value < high
    mask = cases.views == "PA"
    probabilities = compared.candidates[0].probabilities["test"][mask]
    assert value == pytest.approx(metrics.macro_auroc(cases.truth[mask], probabilities))
    assert any(row["name"] == "" for row in compared.subgroups["age"])


def test_time_and_size_are_what_the_run_says(compared):
    cost = compared.costs["cnn:1"]

    assert cost["epochs"] == 4
    assert cost["seconds_an_epoch"] == pytest.approx(32.5)
    assert cost["parameters"] is None


def test_the_page_is_one_file_that_loads_nothing(compared, english_page):
    page = english_page

    assert page.count("<svg") >= 8
    loads = re.findall(r'(?:src|href)="(?!#|data:)([^"]+)"', page)
    assert not loads
    assert "<script" not in page
    assert 'http-equiv="Content-Security-Policy"' in page
    # Every id once, every link within the page to an id.
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    for words in (
        "86% accuracy", "1 - (2/3)(1 - a)", "transfer learning", "trained from the beginning",
        "too small to judge", "transfer:1 less cnn:1", "mean class accuracy",
    ):  # fmt: skip
        assert words in text, words
    accuracy = compared.figures["cnn:1"]["test"]["accuracy"]
    assert f"{accuracy:.3f}" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_figures_are_json(compared):
    found = json.loads(json.dumps(figures_of(compared), allow_nan=False))

    assert set(found["candidates"]) == {"cnn:1", "transfer:1"}
    assert found["candidates"]["cnn:1"]["test"]["n"] == SIZES["test"]
    assert found["candidates"]["cnn:1"]["shortcuts"]["probe"]["n"] > 200


def test_the_command_writes_page_and_figures_in_french(runs, tmp_path, capsys):
    call_command(
        "compare", runs[1], out=tmp_path / "report.html", json=tmp_path / "report.json"
    )  # fmt: skip

    page = (tmp_path / "report.html").read_text()
    assert '<html lang="fr">' in page
    figures = json.loads((tmp_path / "report.json").read_text())
    reached = figures["candidates"]["transfer:1"]["test"]["accuracy"]
    assert f"{reached:.3f}".replace(".", ",") in page
    assert "transfer:1: n 150 macro_auroc 0." in capsys.readouterr().out


def test_models_are_compared_on_the_cases_that_both_know(folder, rows, runs):
    part = write_run(
        folder / "part", [row for row in rows if row["image_id"] not in ("test000", "val003")],
        skill=2.0,
    )  # fmt: skip

    found = compare([runs[0], part])

    assert found.left_out == 2
    assert found.figures["cnn:1"]["test"]["n"] == SIZES["test"] - 1
    assert "test000" not in found.cases["test"].ids


def test_without_an_index_the_labels_of_the_run_do(tmp_path, rows):
    run = write_run(tmp_path / "alone", rows, skill=1.0)

    found = compare([run])

    assert found.figures["alone:1"]["test"]["n"] == SIZES["test"]
    assert [row["name"] for row in found.subgroups["sex"]] == [""]
    with override("en"):
        assert "alone:1" in render(found)


def test_says_what_is_no_run(tmp_path, folder, rows, runs):
    with pytest.raises(RunInvalidError, match=r"no predictions\.npz"):
        read_candidate(tmp_path)
    with pytest.raises(CommandError, match="not there"):
        call_command("compare", tmp_path / "absent", out=tmp_path / "x.html")
    turned = [row | {"label": LABELS[0]} for row in rows]
    other = write_run(folder / "other", turned, skill=1.0)
    with pytest.raises(RunInvalidError, match="other labels"):
        compare([other])
    with pytest.raises(CommandError, match="twice"):
        call_command("compare", runs[0], runs[0], out=tmp_path / "x.html")
    np.savez(other / "predictions.npz", val_ids=np.array(["a"]))
    with pytest.raises(RunInvalidError, match="lacks"):
        read_candidate(other)
