import csv

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


def test_a_patient_in_two_splits_is_an_error(tmp_path):
    rows = synthetic_rows(tmp_path)
    rows[0]["nih_patient"] = rows[-1]["nih_patient"]
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
