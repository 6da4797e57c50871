import cv2
import numpy as np
import pytest

from inference.models import LABELS
from ml_training import shortcuts
from ml_training.served import Outputs


def planted(*, origin_in_features: bool, n: int = 240, seed: int = 0):
    """Features that tell the label, and maybe the origin; origin goes with the label a little."""
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=n)
    follows = random.random(n) < 0.5
    origins = np.where(follows, truth % 2, random.integers(2, size=n))
    features = random.normal(size=(n, 40))
    features[:, :3] += 2 * np.eye(3)[truth]
    if origin_in_features:
        features[:, 10] += 3 * origins
    names = np.array(["clinic", "website"])[origins]
    return features.astype(np.float32), truth, names, np.arange(n) // 2


def test_a_planted_shortcut_is_found():
    found = shortcuts.origin_probe(*planted(origin_in_features=True))

    assert found["features"] > 0.9
    assert found["over_label"] > 0.2
    assert found["gain_interval_95"][0] > 0.1
    assert found["by_origin"]["website"]["features"] > 0.9


def test_features_that_tell_the_label_alone_tell_no_more_of_the_origin():
    found = shortcuts.origin_probe(*planted(origin_in_features=False))

    assert 0.6 < found["label"] < 0.85
    assert found["over_label"] < 0.03
    assert found["gain"] < 0.03
    assert found["n"] == 240


def test_small_origins_are_left_out_and_one_origin_is_no_question():
    features, truth, origins, patients = planted(origin_in_features=True)
    origins = origins.astype("U10")
    origins[:5] = "rare"

    found = shortcuts.origin_probe(features, truth, origins, patients)

    assert set(found["by_origin"]) == {"clinic", "website"}
    assert found["left_out"] == 5
    # Many images of one patient are no origin that a probe could be judged on.
    few = np.where(origins == "website", 0, patients + 1)
    assert shortcuts.origin_probe(features, truth, origins, few) is None


def test_no_patient_is_judged_by_a_probe_that_saw_them():
    """With features that name the patient and nothing else, a leak would score highly."""
    random = np.random.default_rng(3)
    patients = np.repeat(np.arange(60), 6)
    features = np.repeat(random.normal(size=(60, 80)), 6, axis=0).astype(np.float32)
    origins = np.repeat(np.array(["a", "b"])[random.integers(2, size=60)], 6)
    truth = random.integers(3, size=360)

    found = shortcuts.origin_probe(features, truth, origins, patients)

    assert found["features"] < 0.72


def chest(side: int = 256) -> np.ndarray:
    """Soft shapes without sharp marks."""
    rows, columns = np.mgrid[:side, :side] / side
    lungs = np.exp(-(((columns - 0.3) / 0.12) ** 2) - ((rows - 0.5) / 0.25) ** 2)
    lungs += np.exp(-(((columns - 0.7) / 0.12) ** 2) - ((rows - 0.5) / 0.25) ** 2)
    return (150 - 90 * lungs).astype(np.uint8)


def test_covering_corners_touches_nothing_else():
    image = np.random.default_rng(1).integers(0, 256, (240, 300), np.uint8)

    covered = shortcuts.cover_corners(image)

    same = covered == image
    assert same[40:200].all()
    assert same[:, 50:250].all()
    for corner in (covered[:40, :50], covered[:40, 250:], covered[200:, :50], covered[200:, 250:]):
        assert len(np.unique(corner)) == 1


def test_letters_are_found_near_the_edge_and_painted_over():
    image = chest()
    cv2.putText(image, "L", (215, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    marked = image > chest()

    found = shortcuts.letters(image)

    assert found[marked].mean() > 0.9
    assert found.sum() < 4 * marked.sum()
    cleaned = shortcuts.cover_letters(image)
    assert abs(cleaned[marked].astype(int) - chest()[marked]).mean() < 15
    assert np.array_equal(cleaned[~found], image[~found])


def test_an_image_without_letters_stays_as_it_is():
    image = chest()

    assert not shortcuts.letters(image).any()
    assert shortcuts.cover_letters(image) is image


def test_what_shines_in_the_middle_is_no_letter():
    image = chest()
    cv2.putText(image, "L", (120, 130), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)

    assert not shortcuts.letters(image).any()


def test_a_round_trip_keeps_size_and_loses_detail():
    image = np.random.default_rng(1).integers(0, 256, (512, 400), np.uint8)

    there_and_back = shortcuts.round_trip(image)

    assert there_and_back.shape == image.shape
    assert there_and_back.std() < 0.8 * image.std()
    small = image[:200, :299]
    assert shortcuts.round_trip(small) is small


def test_effects_by_hand():
    opacity = LABELS.index("lung_opacity")
    before = np.tile([0.6, 0.3, 0.1], (4, 1))
    after = before.copy()
    after[0] = [0.1, 0.8, 0.1]

    found = shortcuts.effect(before, after, np.array([0, 1, 1, 2]), np.arange(4))

    assert opacity == 1
    assert found["mean_change"] == pytest.approx((0.5 + 0.5 + 0) / 3 / 4)
    assert found["opacity_shift"] == pytest.approx(0.5 / 4)
    assert found["other_class"] == pytest.approx(0.25)
    low, high = found["intervals_95"]["other_class"]
    assert low <= 0.25 <= high


class CornerReader:
    """A model planted with a shortcut: an opacity is as probable as a corner is bright."""

    facts = {"calibration": {"temperature": 1.0}}

    def outputs(self, images):
        corner = np.array([image[:20, :20].mean() / 255 for image in images])
        raw = np.stack([(1 - corner) * 0.6, corner, (1 - corner) * 0.4], axis=1)
        return Outputs(raw, features=raw, maps=None)


def test_a_network_that_reads_a_marker_is_told_by_the_changes():
    truth = np.random.default_rng(2).integers(3, size=60)
    images = []
    for label in truth:
        image = chest()
        image[:20, :20] = 230 if label == 1 else 20
        images.append(image)
    reader = CornerReader()

    found = shortcuts.change_effects(
        reader, images, truth, np.arange(60), reader.outputs(images).raw
    )

    assert set(found) == set(shortcuts.CHANGES)
    assert found["corners"]["other_class"] > 0.25
    assert found["corners"]["auroc_change"]["interval_95"][1] < 0
    assert found["lungs"]["other_class"] == 0
    assert found["lungs"]["changed_images"] == 60
