"""Whether an image seems to carry burned-in text, without reading any of it. Worker only.

Text is a row of glyphs: small, sharp-edged components of nearly one height, side by side. A side
marker is one glyph or two. How often this is right is measured in docs/deidentification.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

# Longer sides are shrunk to this; a component lower than LOWEST pixels then is no glyph.
SIDE = 2048
LOWEST, HIGHEST = 5, 1 / 14
# How much a stroke stands out of what is around it, in grey levels, and what share of the
# strongest stroke NEAR it that is: little holds a glyph together, much keeps glyphs apart.
CONTRAST = 12
SHARES = (0.5, 0.7)
NEAR = 11
# How much of its contrast a glyph gains within one pixel: anatomy has soft edges.
SHARP = 0.75
# The widest stroke, as a share of the image's shorter side.
STROKE = 1 / 40
# So many glyphs in a row are text.
GLYPHS = 5
# How far from an edge of the image, as a share of its side.
FRAME = 0.25
# More components than that are noise or a grid, and looking at pairs of them takes long.
MOST = 3000


class Line(NamedTuple):
    """A suspected line of text: its box in pixels of the image."""

    left: int
    top: int
    right: int
    bottom: int


def text_suspected(image: np.ndarray) -> list[Line]:
    """The lines of an image, uint8 (H, W), that look like text near its border.

    Bright on dark and dark on bright, along the rows and, for films that were turned, along the
    columns. Lines that overlap are one.
    """
    scale = min(1.0, SIDE / max(image.shape))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = [line for line in _lines(image) if _near_border(line, image.shape)]
    return [Line(*(round(value / scale) for value in line)) for line in _joined(found)]


def regions_of(image: np.ndarray) -> list[list[float]]:
    """The boxes of :func:`text_suspected`, left, top, right, bottom, as shares of the sides."""
    rows, columns = image.shape
    sides = (columns, rows, columns, rows)
    return [
        [round(value / side, 4) for value, side in zip(line, sides, strict=True)]
        for line in text_suspected(image)
    ]


def _lines(image: np.ndarray) -> Iterator[Line]:
    side = max(9, int(min(image.shape) * STROKE))
    steep = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        hat = cv2.morphologyEx(image, kind, np.ones((side, side), np.uint8))
        strongest = cv2.dilate(hat, np.ones((NEAR, NEAR), np.uint8))
        for share in SHARES:
            least = cv2.max(cv2.convertScaleAbs(strongest, alpha=share), CONTRAST)
            boxes = _glyphs(hat, cv2.compare(hat, least, cv2.CMP_GE), steep)
            yield from map(_around, _rows(boxes))
            for left, top, right, bottom in map(_around, _rows(boxes[:, [1, 0, 3, 2]])):
                yield Line(top, left, bottom, right)


def _glyphs(hat: np.ndarray, mask: np.ndarray, steep: np.ndarray) -> np.ndarray:
    """Boxes (n, 4), x, y, width, height, of the components of ``mask`` that may be letters or
    digits, upright or lying."""
    count, marks, stats, _centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    x, y, wide, high, area = (stats[:, i] for i in range(5))
    long, short = np.maximum(wide, high), np.minimum(wide, high)
    fits = (long >= LOWEST) & (long <= 1.6 * min(hat.shape) * HIGHEST) & (short >= 2)
    fits &= (area >= 0.12 * wide * high) & (area <= 0.95 * wide * high)
    fits[0] = False  # What is around.
    if not fits.any():
        return np.empty((0, 4), np.int64)
    # Of those alone: how much they stand out, and how steep their own border is.
    inside = np.flatnonzero(fits[marks])
    mark = marks.ravel()[inside]
    border = cv2.erode(mask, np.ones((3, 3), np.uint8)).ravel()[inside] == 0
    body = np.bincount(mark, hat.ravel()[inside], count) / np.maximum(area, 1)
    edge = np.bincount(mark[border], steep.ravel()[inside[border]], count)
    edge /= np.maximum(np.bincount(mark[border], minlength=count), 1)
    fits &= edge >= SHARP * np.maximum(body, CONTRAST)
    return np.stack([x, y, wide, high], axis=1)[fits].astype(np.int64)


def _rows(boxes: np.ndarray) -> list[np.ndarray]:
    """The boxes that stand in rows of ``GLYPHS`` or more."""
    upright = (boxes[:, 3] >= LOWEST) & (boxes[:, 2] <= 1.6 * boxes[:, 3])
    boxes = boxes[upright]
    if not GLYPHS <= len(boxes) <= MOST:
        return []
    boxes = boxes[np.argsort(boxes[:, 0], kind="stable")]
    row_of = np.arange(len(boxes))
    for place, (x, y, wide, high) in enumerate(boxes):
        end = np.searchsorted(boxes[:, 0], x + wide + 1.2 * 1.7 * high, side="right")
        later = boxes[place + 1 : end]
        tall = np.maximum(later[:, 3], high)
        near = later[:, 0] - (x + wide) <= 1.2 * tall
        alike = tall <= 1.7 * np.minimum(later[:, 3], high)
        # Letters stand on one line: the lower edges are level.
        level = np.abs(later[:, 1] + later[:, 3] - (y + high)) <= 0.25 * tall
        for other in np.flatnonzero(near & alike & level):
            row_of[row_of == row_of[place + 1 + other]] = row_of[place]
    rows = [boxes[row_of == name] for name in np.unique(row_of)]
    return [row for row in rows if len(row) >= GLYPHS]


def _around(row: np.ndarray) -> Line:
    left, top = row[:, :2].min(axis=0)
    right, bottom = (row[:, :2] + row[:, 2:]).max(axis=0)
    return Line(int(left), int(top), int(right), int(bottom))


def _near_border(line: Line, shape: tuple[int, int]) -> bool:
    rows, columns = shape
    x, y = (line.left + line.right) / 2 / columns, (line.top + line.bottom) / 2 / rows
    return min(x, 1 - x, y, 1 - y) <= FRAME


def _joined(lines: list[Line]) -> list[Line]:
    """The lines, those that overlap as one."""
    joined: list[Line] = []
    for line in sorted(lines):
        apart = []
        for other in joined:
            if (
                line.left <= other.right
                and other.left <= line.right
                and line.top <= other.bottom
                and other.top <= line.bottom
            ):
                line = Line(*np.minimum(line[:2], other[:2]), *np.maximum(line[2:], other[2:]))
            else:
                apart.append(other)
        joined = [*apart, line]
    return [Line(*map(int, line)) for line in joined]
