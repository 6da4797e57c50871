"""The boxes of the challenge as masks that follow their image, and lung-masked images."""

import cv2
import numpy as np
import pytest

from ml_training.augmentation import augment
from ml_training.boxes import MASK_SIDE, box_mask, read_boxes
from ml_training.errors import DatasetInvalidError
from ml_training.masked import SURROUNDINGS, lungs_as_seen


def test_boxes_are_shares_of_their_image(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("patientId,x,y,width,height\na,0,512,256,512\na,768,0,256,128\nb,0,0,8,8\n")
    boxes = read_boxes(path)
    assert boxes["a"].tolist() == [[0, 0.5, 0.25, 0.5], [0.75, 0, 0.25, 0.125]]
    mask = box_mask(boxes["a"])
    assert mask.mean() == pytest.approx(0.25 * 0.5 + 0.25 * 0.125)
    assert mask[MASK_SIDE - 1, 0] == mask[0, MASK_SIDE - 1] == 1
    assert mask[0, 0] == 0
    assert not box_mask(boxes.get("unknown")).any()


def test_boxes_of_an_image_of_another_size(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("image_id,x,y,width,height,rows,columns\na,100,50,100,25,100,200\n")
    assert read_boxes(path)["a"].tolist() == [[0.5, 0.5, 0.5, 0.25]]


@pytest.mark.parametrize("text", ["patientId,x\na,1\n", "patientId,x,y,width,height\na,b,c,d,e\n"])
def test_boxes_that_cannot_be_read(tmp_path, text):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(DatasetInvalidError):
        read_boxes(path)
    with pytest.raises(DatasetInvalidError):
        read_boxes(tmp_path / "missing.csv")


def test_a_mask_goes_where_its_image_goes():
    """What is bright in the image is what the mask marks, however both are moved."""
    image = np.full((300, 400), 40, np.uint8)
    image[60:180, 40:160] = 250
    mask = cv2.resize((image > 100).astype(np.float32), (128, 128))
    overlaps = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        variant, moved = augment(image, random, mask=mask)
        assert moved.shape == variant.shape
        assert np.array_equal(variant, augment(image, np.random.default_rng(seed)))
        if variant.max() > 0.8:
            bright, marked = variant > 0.6, moved > 0.5
            overlaps.append((bright & marked).sum() / (bright | marked).sum())
    assert len(overlaps) > 20
    assert np.median(overlaps) > 0.9


def test_masked_lungs_are_shown_with_dark_air():
    image = np.zeros((224, 224), np.uint8)
    image[60:160, 30:90] = 220  # air, bright in the inverted image
    image[100:160, 30:90] = 60  # an opacity
    image[60:160, 130:190] = 200
    seen = lungs_as_seen(image)
    assert seen.dtype == np.uint8
    assert seen[80, 60] < 60 < 150 < seen[140, 60]
    assert seen[10, 10] == seen[110, 110] == SURROUNDINGS


def test_an_image_without_lungs_is_even():
    assert np.unique(lungs_as_seen(np.zeros((64, 64), np.uint8))).tolist() == [SURROUNDINGS]
