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
    assert result["refused"] == 0
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
    assert result["refused"] == 3
    assert result["refused_files"] == {
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
