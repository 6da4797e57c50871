import numpy as np
import pytest

from inference.model_input import INPUT_SIZE, contrast_stretch, model_input


def ramp(rows: int, columns: int) -> np.ndarray:
    return np.tile(np.linspace(0, 255, columns).astype(np.uint8), (rows, 1))


@pytest.mark.parametrize("shape", [(1024, 1024), (300, 2000), (256, 256), (16, 16), (1, 1)])
def test_gives_the_network_shape_and_range(shape):
    image = model_input(ramp(*shape))

    assert image.shape == (INPUT_SIZE, INPUT_SIZE, 3)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1
    assert np.array_equal(image[..., 0], image[..., 2])


def test_fills_the_range_whatever_the_contrast():
    dull = (100 + ramp(512, 512) // 8).astype(np.uint8)

    image = model_input(dull)

    assert image.min() == 0
    assert image.max() == 1


def test_a_file_with_a_window_and_one_without_look_alike():
    image = ramp(512, 512)
    windowed = (40 + 0.7 * image).astype(np.uint8)

    assert abs(model_input(image) - model_input(windowed)).mean() < 0.01


def test_a_few_extreme_pixels_do_not_set_the_contrast():
    image = np.full((512, 512), 100, np.uint8)
    image[:, 256:] = 150
    image[0, :5] = 255

    assert set(np.unique(contrast_stretch(image))) == {0.0, 1.0}


def test_an_image_of_one_grey_is_black():
    assert not model_input(np.full((64, 64), 200, np.uint8)).any()


def test_keeps_the_orientation():
    image = np.zeros((512, 512), np.uint8)
    image[:256, 256:] = 255

    result = model_input(image)

    assert result[:120, 136:].all()
    assert not result[136:].any()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_refuses_what_is_not_rendered(wrong):
    with pytest.raises(ValueError, match="uint8"):
        model_input(wrong)
