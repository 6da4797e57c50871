"""Datasets from the challenge's layout and from an index, and what keeps them sound."""

from collections import Counter

import cv2
import numpy as np
import pytest

from inference.models import LABELS
from ml_training import dataset_build
from ml_training.dataset_build import build_dataset
from ml_training.datasets import read_dataset
from ml_training.errors import (
    DatasetInvalidError,
    SplitLeakError,
)
from ml_training.sources import index_source
from ml_training.sources_challenge import challenge_source
from ml_training.splits import assign_splits, check_for_leak
from radiology.dicom.render import render
from tests.radiology.factories import dicom_bytes

from .challenge import change_rows, read_csv, write_csv


def test_builds_the_challenge(challenge, tmp_path):
    out = tmp_path / "dataset"

    facts = build_dataset(challenge_source(challenge, patients=challenge / "patients.csv"), out)

    rows = read_csv(out / "index.csv")
    assert list(rows[0]) == list(dataset_build.INDEX_COLUMNS)
    assert Counter(row["label"] for row in rows) == dict.fromkeys(LABELS, 10)
    assert facts["folded_rows"] == 10
    assert facts["images"]["train"] + facts["images"]["val"] == 30
    assert {row["patient"] for row in rows} == {
        f"person-{i}-{j}" for i in range(5) for j in range(3)
    }
    first = rows[1]
    assert {key: first[key] for key in ("image_id", "label", "sex", "age", "view", "origin")} == {
        "image_id": "image-01",
        "label": "lung_opacity",
        "sex": "M",
        "age": "21",
        "view": "AP",
        "origin": "rsna-challenge",
    }
    boxes = read_csv(out / "boxes.csv")
    assert len(boxes) == 20
    assert boxes[0] == {
        "image_id": "image-01",
        "x": "10.0",
        "y": "20.0",
        "width": "30.0",
        "height": "40.0",
        "rows": "96",
        "columns": "80",
    }
    assert not facts["notes"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["challenge", "dataset"]


def test_the_images_are_what_serving_renders(challenge, tmp_path):
    out = tmp_path / "dataset"
    build_dataset(challenge_source(challenge), out)

    for row in read_csv(out / "index.csv")[:5]:
        image = cv2.imread(str(out / row["file"]), cv2.IMREAD_UNCHANGED)
        file = challenge / "stage_2_train_images" / f"{row['image_id']}.dcm"
        assert np.array_equal(image, render(file))


def test_training_reads_what_was_built(challenge, tmp_path):
    facts = build_dataset(challenge_source(challenge), tmp_path / "dataset")

    dataset = read_dataset(tmp_path / "dataset")

    assert dataset.fingerprint == facts["fingerprint"]
    assert dataset.counts == facts["counts"]
    train = dataset.splits["train"]
    assert set(train.sexes) == {"F", "M"}
    assert train.ages.min() >= 20
    assert set(train.views) == {"AP", "PA"}
    assert len(train.ids) == len(train.images) == facts["images"]["train"]


def test_without_a_map_of_patients_it_says_that_they_may_repeat(challenge, tmp_path):
    facts = build_dataset(challenge_source(challenge), tmp_path / "dataset")

    assert facts["patients"]["train"] == facts["images"]["train"]
    assert "may be in more than one split" in facts["notes"][0]


def test_counts_what_it_leaves_out(challenge, tmp_path):
    wrong = {"image-00": "", "image-03": "Pneumonia"}
    change_rows(
        challenge / "stage_2_detailed_class_info.csv",
        lambda row: row.update({"class": wrong.get(row["patientId"], row["class"])}),
    )
    rows = read_csv(challenge / "stage_2_detailed_class_info.csv")
    write_csv(
        challenge / "stage_2_detailed_class_info.csv",
        [*rows, {"patientId": "image-06", "class": "Lung Opacity"}],
    )
    change_rows(
        challenge / "stage_2_train_labels.csv",
        lambda row: row.update(Target="1") if row["patientId"] == "image-09" else None,
    )
    people = read_csv(challenge / "patients.csv")
    write_csv(challenge / "patients.csv", [row for row in people if row["patientId"] != "image-12"])
    images = challenge / "stage_2_train_images"
    (images / "image-15.dcm").unlink()
    (images / "image-18.dcm").write_bytes(b"no radiograph")
    (images / "image-21.dcm").write_bytes(dicom_bytes(BodyPartExamined="HAND"))
    (images / "stranger.dcm").write_bytes(dicom_bytes())

    facts = build_dataset(
        challenge_source(challenge, patients=challenge / "patients.csv"), tmp_path / "dataset"
    )

    assert facts["dropped"] == {
        "boxes_disagree": 1,
        "label_conflict": 1,
        "label_empty": 1,
        "label_unknown": 1,
        "patient_unknown": 1,
    }
    assert facts["refused"]["images"] == {
        "image-15": "image_missing",
        "image-18": "not_dicom",
        "image-21": "not_chest",
    }
    assert facts["refused"]["by_code"] == {"image_missing": 1, "not_chest": 1, "not_dicom": 1}
    assert facts["unlabelled_files"] == 1
    assert sum(facts["images"].values()) == 30 - 8


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("stage_2_detailed_class_info.csv", "patientId,label\na,b\n"),
        ("stage_2_train_labels.csv", None),
        ("patients.csv", "patientId,nih_patient\nimage-00,a\nimage-00,b\n"),
    ],
)
def test_a_layout_that_is_not_the_challenges_is_an_error(challenge, file, text):
    if text is None:
        (challenge / file).unlink()
    else:
        (challenge / file).write_text(text)

    with pytest.raises(DatasetInvalidError):
        challenge_source(challenge, patients=challenge / "patients.csv")


def test_one_seed_one_dataset(challenge, tmp_path):
    def built(name, **options) -> str:
        build_dataset(challenge_source(challenge), tmp_path / name, **options)
        return (tmp_path / name / "index.csv").read_text()

    assert built("a") == built("b", workers=5)
    assert built("c", seed=43) != built("d")


def test_splits_whole_patients_with_classes_alike():
    random = np.random.default_rng(0)
    rows = [
        {"patient": f"p{random.geometric(0.02)}", "label": LABELS[random.integers(3)], "split": ""}
        for _ in range(3000)
    ]

    assign_splits(rows, seed=42, shares={"train": 0.7, "val": 0.2, "test": 0.1})

    check_for_leak(rows)
    for label in LABELS:
        found = Counter(row["split"] for row in rows if row["label"] == label)
        total = sum(found.values())
        assert found["val"] / total == pytest.approx(0.2, abs=0.03)
        assert found["test"] / total == pytest.approx(0.1, abs=0.03)


def index_rows(folder, splits) -> list[dict]:
    """PNG files, one for each of ``splits``, each of a patient of its own."""
    folder.mkdir()
    rows = []
    for number, split in enumerate(splits):
        pixels = np.random.default_rng(number).integers(0, 256, (70, 64), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
        rows.append(
            {
                "patient": f"p{number}",
                "label": LABELS[number % 3],
                "split": split,
                "file": f"{number}.png",
            }
        )
    write_csv(folder / "index.csv", rows)
    return rows


def test_keeps_the_splits_of_an_index(tmp_path):
    rows = index_rows(tmp_path / "given", ["train"] * 6 + ["val"] * 3 + ["test"] * 3 + [""] * 6)
    rows[12]["patient"] = "p9"
    write_csv(tmp_path / "given" / "index.csv", rows)

    build_dataset(index_source(tmp_path / "given" / "index.csv"), tmp_path / "out")

    built = {row["image_id"]: row for row in read_csv(tmp_path / "out" / "index.csv")}
    assert [built[str(number)]["split"] for number in range(12)] == [
        row["split"] for row in rows[:12]
    ]
    assert built["12"]["split"] == "test"  # of the patient of image 9
    assert {built[str(number)]["split"] for number in range(13, 18)} <= {"train", "val"}


def test_a_patient_in_two_splits_is_an_error(tmp_path):
    rows = index_rows(tmp_path / "given", ["train", "val", "train"])
    rows[2]["patient"] = "p1"
    write_csv(tmp_path / "given" / "index.csv", rows)

    with pytest.raises(SplitLeakError):
        build_dataset(index_source(tmp_path / "given" / "index.csv"), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_the_same_image_in_two_splits_is_an_error(tmp_path):
    index_rows(tmp_path / "given", ["train", "train", "val"])
    (tmp_path / "given" / "2.png").write_bytes((tmp_path / "given" / "0.png").read_bytes())

    with pytest.raises(SplitLeakError):
        build_dataset(index_source(tmp_path / "given" / "index.csv"), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_the_same_image_of_two_patients_goes_into_one_split(tmp_path):
    rows = index_rows(tmp_path / "given", [""] * 20)
    for number in (3, 6, 9, 12, 15):
        (tmp_path / "given" / f"{number}.png").write_bytes(
            (tmp_path / "given" / "0.png").read_bytes()
        )

    build_dataset(index_source(tmp_path / "given" / "index.csv"), tmp_path / "out", validation=0.5)

    built = {row["image_id"]: row["split"] for row in read_csv(tmp_path / "out" / "index.csv")}
    assert len({built[str(number)] for number in (0, 3, 6, 9, 12, 15)}) == 1
    assert set(built.values()) == {"train", "val"}
    assert len(built) == len(rows)


def test_bounds_the_longer_side(tmp_path):
    index_rows(tmp_path / "given", ["train"])
    cv2.imwrite(str(tmp_path / "given" / "0.png"), np.full((400, 200), 65535, np.uint16))

    build_dataset(index_source(tmp_path / "given" / "index.csv"), tmp_path / "out", max_side=100)

    image = cv2.imread(str(tmp_path / "out" / "images" / "0.png"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (100, 50)
    assert image.dtype == np.uint8
    assert image.min() == 255
