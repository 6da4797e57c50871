import csv
import hashlib

import cv2
import numpy as np
import pytest

from inference.models import LABELS
from ml_training.augmentation import augment
from ml_training.datasets import Split, read_dataset
from ml_training.errors import DatasetInvalidError, SplitLeakError


def write_index(folder, rows) -> None:
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def synthetic_rows(folder, *, each: int = 4, side: int = 64) -> list[dict]:
    """Images whose brightness tells the class, ``each`` of every class in every split."""
    random = np.random.default_rng(5)
    (folder / "images").mkdir()
    rows = []
    for split in ("train", "val", "test"):
        for index, label in enumerate(LABELS):
            for number in range(each):
                name = f"images/{split}-{label}-{number}.png"
                pixels = random.integers(0, 80, (side, side), np.uint8)
                pixels[: side * (index + 1) // 4] += 120
                cv2.imwrite(str(folder / name), pixels)
                rows.append(
                    {
                        "file": name,
                        "label": label,
                        "nih_patient": f"{split}-{number}",
                        "split": split,
                        "origin": "a" if number else "b",
                    }
                )
    write_index(folder, rows)
    return rows


def test_reads_counts_and_fingerprints(tmp_path):
    rows = synthetic_rows(tmp_path)

    dataset = read_dataset(tmp_path / "index.csv")

    assert dataset.counts["train"] == dict.fromkeys(LABELS, 4)
    assert len(dataset.splits["val"].images) == 12
    write_index(tmp_path, rows[::-1])
    assert read_dataset(tmp_path / "index.csv").fingerprint == dataset.fingerprint
    cv2.imwrite(str(tmp_path / rows[0]["file"]), np.zeros((9, 9), np.uint8))
    assert read_dataset(tmp_path / "index.csv").fingerprint != dataset.fingerprint


def test_reads_what_is_known_of_each_image_by_either_name(tmp_path):
    rows = synthetic_rows(tmp_path, each=1)
    for number, row in enumerate(rows):
        row |= {
            "image_id": f"i{number}",
            "patient": row.pop("nih_patient"),
            "sex": "F",
            "age": ("", "412", "61.5")[number % 3],
            "view": "AP",
        }
    write_index(tmp_path, rows)
    found = read_dataset(tmp_path)
    train = found.splits["train"]
    order = [int(name[1:]) for name in train.ids]
    assert sorted(order) == [0, 1, 2]
    assert train.sexes.tolist() == ["F"] * 3
    assert train.views.tolist() == ["AP"] * 3
    ages = dict(zip(order, train.ages, strict=True))
    assert np.isnan(ages[0])
    assert np.isnan(ages[1])  # nobody's age
    assert ages[2] == 61.5

    # What a network may learn from is part of the fingerprint, the names of columns are not.
    for row in rows:
        row |= {"patientId": row.pop("image_id"), "nih_patient": row.pop("patient")}
    write_index(tmp_path, rows)
    assert read_dataset(tmp_path).fingerprint == found.fingerprint
    rows[0]["sex"] = "M"
    write_index(tmp_path, rows)
    assert read_dataset(tmp_path).fingerprint != found.fingerprint


def test_an_index_without_splits_is_of_one_split(tmp_path):
    rows = [
        {key: row[key] for key in ("file", "label", "nih_patient")}
        for row in synthetic_rows(tmp_path, each=2)
    ]
    write_index(tmp_path, rows)
    with pytest.raises(DatasetInvalidError):
        read_dataset(tmp_path / "index.csv")

    splits = read_dataset(tmp_path / "index.csv", split="train").splits

    assert len(splits["train"].images) == len(splits["train"].truth) == 18
    for name in ("val", "test"):
        assert len(splits[name].images) == 0
        assert splits[name].ages.shape == splits[name].truth.shape == (0,)
    assert set(splits["train"].origins) == {""}


def test_an_image_that_is_not_what_its_checksum_says_is_an_error(tmp_path):
    rows = synthetic_rows(tmp_path, each=1)
    for row in rows:
        content = (tmp_path / row["file"]).read_bytes()
        row["sha256"] = hashlib.sha256(content).hexdigest()
    write_index(tmp_path, rows)
    read_dataset(tmp_path)
    cv2.imwrite(str(tmp_path / rows[3]["file"]), np.zeros((9, 9), np.uint8))

    with pytest.raises(DatasetInvalidError, match="val-normal-0"):
        read_dataset(tmp_path)


def test_images_beyond_the_memory_are_read_each_time(tmp_path, monkeypatch):
    synthetic_rows(tmp_path)
    all_held = read_dataset(tmp_path)
    monkeypatch.setattr("ml_training.datasets.HELD_BYTES", 5 * 64 * 64)
    some_held = read_dataset(tmp_path)

    assert sum(len(split.images.held) for split in some_held.splits.values()) == 5
    for name, split in some_held.splits.items():
        assert len(split.images) == 12
        pairs = zip(split.images, all_held.splits[name].images, strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)
        assert np.array_equal(split.images[-1], all_held.splits[name].images[11])
        assert len(split.images[2:5]) == 3
        with pytest.raises(IndexError):
            split.images[12]


def test_a_patient_in_two_splits_is_an_error(tmp_path):
    rows = synthetic_rows(tmp_path)
    rows[0]["nih_patient"] = rows[-1]["nih_patient"]
    write_index(tmp_path, rows)

    with pytest.raises(SplitLeakError):
        read_dataset(tmp_path / "index.csv")


def test_an_image_of_two_patients_in_two_splits_is_an_error(tmp_path):
    rows = synthetic_rows(tmp_path)
    assert rows[0]["split"] != rows[-1]["split"]
    rows[0]["file"] = rows[-1]["file"]
    write_index(tmp_path, rows)

    with pytest.raises(SplitLeakError):
        read_dataset(tmp_path / "index.csv")


@pytest.mark.parametrize(
    "change", [{"label": "Normal"}, {"split": "dev"}, {"file": "images/absent.png"}]
)
def test_says_what_cannot_be_used(tmp_path, change):
    rows = synthetic_rows(tmp_path, each=1)
    rows[0] |= change
    write_index(tmp_path, rows)

    with pytest.raises(DatasetInvalidError):
        read_dataset(tmp_path / "index.csv")


def test_draws_classes_alike_whatever_their_number(tmp_path):
    rows = synthetic_rows(tmp_path)
    write_index(tmp_path, [row for row in rows if "train-normal-3" not in row["file"]])

    train = read_dataset(tmp_path / "index.csv").splits["train"]

    weights = train.sampling_weights()
    for index in range(3):
        assert weights[train.truth == index].sum() == pytest.approx(1 / 3)


def test_a_large_origin_is_not_its_class():
    truth = np.array([0] * 900 + [0] * 100 + [1] * 100 + [2] * 100)
    origins = np.array(["a"] * 900 + ["b"] * 300)

    weights = Split([], truth, np.arange(1200), origins).sampling_weights()

    # By the square roots of 900 and 100: three to one, where the counts are nine to one.
    assert weights[:900].sum() == pytest.approx(3 * weights[900:1000].sum())


def test_augmentation_is_repeatable_and_in_range():
    image = np.random.default_rng(1).integers(0, 256, (512, 500), np.uint8)

    for seed in range(30):
        variant = augment(image, np.random.default_rng(seed))
        assert variant.shape == (256, 256)
        assert variant.dtype == np.float32
        assert variant.min() >= 0
        assert variant.max() <= 1
        assert np.array_equal(variant, augment(image, np.random.default_rng(seed)))
