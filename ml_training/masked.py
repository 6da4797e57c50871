"""Radiographs of which only the lungs are left, bright where there is air: made usable."""

from __future__ import annotations

import cv2
import numpy as np

# Outside the lungs such an image is black, but for the noise of its compression.
NOISE = 10
SMALLEST_LUNGS = 500
SURROUNDINGS = 150


def lungs_as_seen(image: np.ndarray) -> np.ndarray:
    """``image``, uint8 (H, W), lung-masked and inverted, as uint8 with air dark again.

    The lungs fill the range that they have in a whole radiograph; around them is an even
    grey, with a soft edge so that the cut does not stand out.
    """
    lungs = (image > NOISE).astype(np.uint8)
    core = cv2.morphologyEx(lungs, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    core = cv2.erode(core, np.ones((3, 3), np.uint8))
    if core.sum() < SMALLEST_LUNGS:
        core = lungs
    if not core.any():
        return np.full(image.shape, SURROUNDINGS, np.uint8)
    shown = 255 - image.astype(np.float32)
    low, high = np.percentile(shown[core.astype(bool)], [1, 99])
    shown = np.clip((shown - low) / max(high - low, 1) * 200 + 15, 0, 255)
    share = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 1.0)
    return (share * shown + (1 - share) * SURROUNDINGS).astype(np.uint8)
