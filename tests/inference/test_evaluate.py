import csv
import json

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command

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
        ({"file": "a.png", "label": "Normal"}, "Unknown labels: Normal"),
        ({"file": "a.png", "class": "normal"}, "no column label"),
    ],
)
def test_says_what_is_wrong_with_the_labels(tmp_path, shipped, row, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("evaluate", labels=write(tmp_path, [row]), images=tmp_path)


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
