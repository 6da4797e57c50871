"""The one transform from a rendered radiograph to the network's input.

Training, evaluation and serving all call it. A change of any number here changes what the
network sees, so it needs a new ``MODEL_INPUT_VERSION``; a worker refuses a model that was
trained with another one.
"""

from __future__ import annotations

import cv2
import numpy as np

MODEL_INPUT_VERSION = "1"
INPUT_SIZE = 256
# Grey levels below the first and above the second percentile are clipped: a file with a
# window and one without, a black border or a burned-in letter, then look alike.
STRETCH_PERCENTILES = (1.0, 99.0)


def resize_to_input(rendered: np.ndarray) -> np.ndarray:
    """Resize a rendered radiograph to the network's square.

    - ``rendered``: uint8 (rows, columns), 0 is black. The aspect ratio is not kept: the
      radiographs of the training collection were made square in the same way.
    - Returns uint8 (256, 256).
    - Raises ``ValueError`` for another type or shape.
    """
    if rendered.dtype != np.uint8 or rendered.ndim != 2 or 0 in rendered.shape:
        raise ValueError("a rendered radiograph is a two-dimensional array of uint8")
    if rendered.shape == (INPUT_SIZE, INPUT_SIZE):
        return rendered
    # Averaging over the area does not alias when shrinking; it is undefined for enlarging.
    shrinks = min(rendered.shape) >= INPUT_SIZE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rendered, (INPUT_SIZE, INPUT_SIZE), interpolation=method)


def stretch(image: np.ndarray) -> np.ndarray:
    """Spread the grey levels between two percentiles of uint8 ``image`` over [0, 1].

    Returns float32 of the same shape. An image of one grey level becomes all zeros.
    """
    counts = np.bincount(image.ravel(), minlength=256).cumsum()
    low, high = (int(np.searchsorted(counts, q / 100 * counts[-1])) for q in STRETCH_PERCENTILES)
    levels = np.arange(256, dtype=np.float32)
    table = np.clip((levels - low) / max(high - low, 1), 0.0, 1.0).astype(np.float32)
    if high == low:
        table[:] = 0.0
    return table[image]


def model_input(rendered: np.ndarray) -> np.ndarray:
    """The network's input for one rendered radiograph.

    - ``rendered``: uint8 (rows, columns), 0 is black (``radiology.dicom.render.render``).
    - Returns float32 (256, 256, 3) in [0, 1], three equal channels. The scaling that the
      network wants is a layer inside the network.
    - Raises ``ValueError`` for another type or shape.
    """
    grey = stretch(resize_to_input(rendered))
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
