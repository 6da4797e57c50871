"""Changes to a training image that leave a plausible chest radiograph of the same class."""

from __future__ import annotations

import cv2
import numpy as np

from inference.model_input import INPUT_SIZE, contrast_stretch

_RESAMPLINGS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def resample(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Send ``image``, uint8, through a random size and JPEG quality.

    Some origins of the training data were resampled or compressed once more than others,
    and origin goes with class: without this the network can read the traces.
    """
    if random.random() < 0.8:
        side = int(random.integers(150, 400))
        image = cv2.resize(image, (side, side), interpolation=_RESAMPLINGS[random.integers(3)])
    if random.random() < 0.5:
        quality = int(random.integers(50, 96))
        _ok, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    return image


def move(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turn (10 degrees at most), zoom (15%), stretch (7%) and shift (7%) to the input's size."""
    rows, columns = image.shape
    matrix = cv2.getRotationMatrix2D(
        (columns / 2, rows / 2), random.uniform(-10, 10), random.uniform(0.85, 1.15)
    )
    scale = np.diag([INPUT_SIZE / columns * random.uniform(0.93, 1.07), INPUT_SIZE / rows])
    matrix = scale @ matrix
    middle = matrix @ np.array([columns / 2, rows / 2, 1])
    matrix[:, 2] += INPUT_SIZE / 2 - middle + random.uniform(-18, 18, 2)
    return cv2.warpAffine(image, matrix, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR)


def expose(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Change the gamma, contrast and brightness of ``image``, float32 in [0, 1]; add noise."""
    image = image ** np.float32(random.uniform(0.7, 1.4))
    image = (image - 0.5) * random.uniform(0.8, 1.25) + 0.5 + random.uniform(-0.08, 0.08)
    if random.random() < 0.3:
        image = image + random.normal(0, 0.03, image.shape)
    return np.clip(image, 0, 1)


def hide(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cover one rectangle (20 to 70 pixels a side) with a grey, so that no mark decides alone."""
    height, width = random.integers(20, 70, 2)
    top, left = random.integers(INPUT_SIZE - height), random.integers(INPUT_SIZE - width)
    image[top : top + height, left : left + width] = random.random()
    return image


def augment(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One random variant of ``image``, uint8 (H, W), as float32 (256, 256) in [0, 1].

    The mirror image has the heart on the right, which no class here depends on; half of
    the variants are mirrored.
    """
    variant = expose(contrast_stretch(move(resample(image, random), random)), random)
    if random.random() < 0.5:
        variant = np.ascontiguousarray(variant[:, ::-1])
    if random.random() < 0.3:
        variant = hide(variant, random)
    return variant.astype(np.float32)
