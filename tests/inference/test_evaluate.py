import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from inference.models import LABELS
from tests.radiology.factories import dicom_bytes


@pytest.fixture
def labelled(tmp_path):
    """A folder with a PNG, a JPEG and a DICOM file of each class, and its CSV."""
    random = np.random.default_rng(3)
    rows = []
    for label in LABELS:
        for suffix in ("png", "jpg", "dcm"):
            name = f"{label}.{suffix}"
            if suffix == "dcm":
                (tmp_path / name).write_bytes(dicom_bytes())
            else:
                pixels = random.integers(0, 256, (300, 280), np.uint8)
                cv2.imwrite(str(tmp_path / name), pixels)
            rows.append({"file": name, "label": label, "patient": label, "note": "x"})
    return tmp_path, rows


def write(folder, rows):
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def evaluate(folder, rows, shipped, capsys) -> dict:
    call_command(
        "evaluate", labels=write(folder, rows), images=folder, model=str(shipped), json=True
    )
    return json.loads(capsys.readouterr().out)


def test_reads_dicom_png_and_jpeg(labelled, shipped, capsys):
    folder, rows = labelled

    result = evaluate(folder, rows, shipped, capsys)

    assert result["n"] == 9
    # Noise may be unlike what the model knows; it is read all the same.
    assert set(result["refused_files"].values()) <= {"unlike"}
    assert result["refused"] == len(result["refused_files"])
    assert sum(result["certainty"].values()) == 9
    assert 0 <= result["accuracy"] <= 1
    assert np.sum(result["confusion"]) == 9
    assert set(result["auroc"]) == set(LABELS)
    assert {"macro_auroc", "mean_class_accuracy", "ece", "model"} <= set(result)


def test_counts_what_it_refuses_and_goes_on(labelled, shipped, capsys):
    folder, rows = labelled
    (folder / "broken.dcm").write_bytes(b"not DICOM")
    (folder / "broken.png").write_bytes(b"not PNG")
    odd = [
        {"file": name, "label": "normal", "patient": "p", "note": ""}
        for name in ("broken.dcm", "broken.png", "absent.jpg")
    ]

    result = evaluate(folder, rows + odd, shipped, capsys)

    assert result["n"] == 9
    unread = {name: code for name, code in result["refused_files"].items() if code != "unlike"}
    assert unread == {
        "broken.dcm": "not_dicom",
        "broken.png": "image_unreadable",
        "absent.jpg": "image_unreadable",
    }


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"file": "a.png", "label": "Normal"}, "labels_invalid: .*unknown labels Normal"),
        ({"file": "a.png", "class": "normal"}, "labels_invalid: .*no column label"),
    ],
)
def test_says_what_is_wrong_with_the_labels(tmp_path, shipped, row, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("evaluate", labels=write(tmp_path, [row]), images=tmp_path)


def test_a_csv_that_cannot_be_read_is_told_by_its_code(tmp_path, shipped):
    for content in (None, b"\xff\xfe", b"file,label\n"):
        if content:
            (tmp_path / "labels.csv").write_bytes(content)
        with pytest.raises(CommandError, match=r"^labels_invalid: "):
            call_command("evaluate", labels=tmp_path / "labels.csv", images=tmp_path)


def test_no_figure_at_all_is_a_failure(labelled, shipped, capsys):
    folder, rows = labelled
    for row in rows:
        (folder / row["file"]).write_bytes(b"nothing")

    with pytest.raises(CommandError, match=r"^nothing_evaluated: None of the 9 files"):
        evaluate(folder, rows, shipped, capsys)

    result = json.loads(capsys.readouterr().out)
    assert result["refused"] == len(result["refused_files"]) == 9


def test_pictures_are_held_to_the_size_of_an_upload(labelled, shipped, capsys):
    folder, rows = labelled
    cv2.imwrite(str(folder / "normal.png"), np.zeros((63, 300), np.uint8))

    result = evaluate(folder, rows, shipped, capsys)

    assert result["refused_files"]["normal.png"] == "too_few_pixels"
    assert result["n"] == 8


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("{}", "not a valid model folder: facts.json is missing"),
        ("{}/nowhere", "not a valid model folder: there is no such folder"),
        ("nowhere", "not a valid model folder: there is no such folder"),
        ("{}/damaged", "not a valid model folder: model.tflite is missing"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "classify"])
def test_a_wrong_model_folder_is_not_blamed_on_production(
    labelled, shipped, command, model, sentence
):
    folder, rows = labelled
    shutil.copytree(shipped, folder / "damaged", ignore=lambda *_: ["model.tflite"])
    arguments = {
        "evaluate": [f"--labels={write(folder, rows)}", f"--images={folder}"],
        "classify": [str(folder / "normal.dcm")],
    }

    with translation.override("fr"), pytest.raises(CommandError, match=sentence):
        call_command(command, *arguments[command], "--model", model.format(folder))


def test_coverage_and_sizes_of_sets(labelled, folder_with_sets, capsys):
    folder, rows = labelled
    whole = evaluate(folder, rows, folder_with_sets(version="2"), capsys)
    assert whole["coverage"] == dict.fromkeys(LABELS, 1.0)
    assert whole["set_size"] == 3.0
    assert whole["certainty"] == {"uncertain": 9}
    assert whole["refused"] == 0

    quantiles = {"normal": 1.0, "lung_opacity": 0.0, "not_normal": 0.0}
    only = folder_with_sets(version="3", quantiles=quantiles, threshold=1e-9)
    refused = evaluate(folder, rows[:3], only, capsys)
    assert refused["coverage"] == {"normal": 1.0, "lung_opacity": None, "not_normal": None}
    assert refused["set_size"] == 1.0
    assert refused["certainty"] == {"unlike": 3}
    assert set(refused["refused_files"].values()) == {"unlike"}
    assert (refused["n"], refused["refused"]) == (3, 3), "refusing improves no figure"
