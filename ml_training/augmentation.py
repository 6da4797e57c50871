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


def placement(shape: tuple[int, int], random: np.random.Generator, size: int) -> np.ndarray:
    """A random affine map, float (2, 3), from an image of ``shape`` to a square of ``size``.

    It turns (10 degrees at most), zooms (15% smaller to 20% larger), stretches (7%) and
    shifts (7%).
    """
    rows, columns = shape
    matrix = cv2.getRotationMatrix2D(
        (columns / 2, rows / 2), random.uniform(-10, 10), random.uniform(0.85, 1.2)
    )
    scale = np.diag([size / columns * random.uniform(0.93, 1.07), size / rows])
    matrix = scale @ matrix
    middle = matrix @ np.array([columns / 2, rows / 2, 1])
    matrix[:, 2] += size / 2 - middle + size * random.uniform(-0.07, 0.07, 2)
    return matrix


def expose(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Change the gamma, contrast and brightness of ``image``, float32 in [0, 1]; add noise."""
    image = image ** np.float32(random.uniform(0.7, 1.4))
    image = (image - 0.5) * random.uniform(0.8, 1.25) + 0.5 + random.uniform(-0.08, 0.08)
    if random.random() < 0.3:
        image = image + random.normal(0, 0.03, image.shape)
    return np.clip(image, 0, 1)


def hide(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cover one rectangle (8% to 27% of a side) with a grey, so that no mark decides alone."""
    size = image.shape[0]
    height, width = random.integers(int(0.08 * size), int(0.27 * size), 2)
    top, left = random.integers(size - height), random.integers(size - width)
    image[top : top + height, left : left + width] = random.random()
    return image


def augment(
    image: np.ndarray,
    random: np.random.Generator,
    *,
    size: int = INPUT_SIZE,
    mask: np.ndarray | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """One random variant of ``image``, uint8 (H, W), as float32 (size, size) in [0, 1].

    The mirror image has the heart on the right, which no class here depends on; half of
    the variants are mirrored. ``mask``, float32 (h, w) over the same field, goes the same way:
    with it the answer is (variant, mask (size, size)).
    """
    image = resample(image, random)
    matrix = placement(image.shape, random, size)
    moved = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    variant = expose(contrast_stretch(moved), random)
    mirrored = random.random() < 0.5
    if mirrored:
        variant = np.ascontiguousarray(variant[:, ::-1])
    if random.random() < 0.3:
        variant = hide(variant, random)
    variant = variant.astype(np.float32)
    if mask is None:
        return variant
    matrix = matrix @ np.diag([image.shape[1] / mask.shape[1], image.shape[0] / mask.shape[0], 1])
    placed = cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return variant, np.ascontiguousarray(placed[:, ::-1]) if mirrored else placed
