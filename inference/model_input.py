"""The one transform from a rendered radiograph to the network's input.

Training, evaluation and serving call this function; its version is stored with every
model, and a worker refuses a model that was made with another.
"""

from __future__ import annotations

import cv2
import numpy as np

MODEL_INPUT_VERSION = "1"
INPUT_SIZE = 256
# Share of pixels (percent) below black and above white after the contrast stretch.
_CLIPPED = 0.5


def contrast_stretch(image: np.ndarray) -> np.ndarray:
    """``image``, uint8 (H, W), as float32 in [0, 1]: its 0.5th percentile black, its 99.5th white.

    Files with and without a window then look alike. An image of one grey is all black.
    """
    counts = np.bincount(image.ravel(), minlength=256).cumsum()
    cuts = counts[-1] * np.array([_CLIPPED, 100 - _CLIPPED]) / 100
    low, high = np.searchsorted(counts, cuts)
    table = (np.arange(256, dtype=np.float32) - low) / max(high - low, 1)
    return np.clip(table, 0, 1).astype(np.float32)[image]


def model_input(rendered: np.ndarray, size: int = INPUT_SIZE) -> np.ndarray:
    """The network's input, float32 (size, size, 3) in [0, 1], of ``rendered``, uint8 (H, W).

    Resized to a square whatever its shape, as the radiographs of the training data were
    (docs/decisions/0004), averaging areas when it shrinks; stretched; grey three times.
    Raises ``ValueError`` unless ``rendered`` is a two-dimensional uint8 array with pixels.
    """
    if rendered.dtype != np.uint8 or rendered.ndim != 2 or not rendered.size:
        raise ValueError("expected uint8 (H, W)")
    shrinks = min(rendered.shape) >= size
    resized = cv2.resize(
        rendered,
        (size, size),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.repeat(contrast_stretch(resized)[..., np.newaxis], 3, axis=2)
