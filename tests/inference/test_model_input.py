"""The transform that training and serving share."""

import numpy as np
import pytest

from inference.model_input import INPUT_SIZE, model_input, resize_to_input, stretch


@pytest.fixture
def radiograph():
    rows, columns = np.mgrid[0:1024, 0:1024]
    image = 120 + 60 * np.sin(rows / 90) + 40 * np.cos(columns / 70)
    return image.astype(np.uint8)


def test_input_shape_type_and_range(radiograph):
    result = model_input(radiograph)
    assert result.shape == (INPUT_SIZE, INPUT_SIZE, 3)
    assert result.dtype == np.float32
    assert result.min() == 0.0
    assert result.max() == 1.0
    assert (result[..., 0] == result[..., 1]).all()
    assert (result[..., 0] == result[..., 2]).all()


@pytest.mark.parametrize("shape", [(1024, 1024), (299, 299), (100, 100), (2500, 3000), (300, 90)])
def test_every_size_becomes_the_square(radiograph, shape):
    image = np.resize(radiograph, shape)
    assert model_input(image).shape == (INPUT_SIZE, INPUT_SIZE, 3)


def test_a_narrow_window_looks_like_a_wide_one(radiograph):
    dim = (radiograph * 0.5 + 40).astype(np.uint8)
    assert np.abs(model_input(radiograph) - model_input(dim)).max() < 0.03


def test_brighter_stays_brighter(radiograph):
    small = resize_to_input(radiograph)
    result = stretch(small)
    order = np.argsort(small.ravel(), kind="stable")
    assert (np.diff(result.ravel()[order]) >= 0).all()


def test_a_single_grey_level_is_all_zeros():
    result = model_input(np.full((512, 512), 200, np.uint8))
    assert (result == 0).all()


def test_a_letter_and_a_border_do_not_move_the_lungs(radiograph):
    marked = radiograph.copy()
    marked[:40, :100] = 255  # 0.4 % of the pixels
    inside = (slice(60, 250), slice(60, 250), 0)
    difference = np.abs(model_input(radiograph)[inside] - model_input(marked)[inside])
    assert difference.max() < 0.02


def test_the_same_pixels_give_the_same_input(radiograph):
    assert (model_input(radiograph) == model_input(radiograph.copy())).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 10), np.uint16),
        np.zeros((10, 10, 3), np.uint8),
        np.zeros((0, 10), np.uint8),
        np.zeros((10, 10), np.float32),
    ],
)
def test_anything_but_rendered_pixels_is_refused(wrong):
    with pytest.raises(ValueError, match="uint8"):
        model_input(wrong)
