"""What the report about a dataset counts and measures. No figure and no page is made here."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from inference.pictures import decode

from .dataset_build import cores
from .datasets import age_of
from .duplicates import Impression, impression_of


@dataclass(frozen=True)
class Look:
    """One image file as it was found; ``rows`` and ``columns`` are 0 where it is no image."""

    sha256: str
    rows: int
    columns: int
    impression: Impression | None

    @property
    def size(self) -> str:
        return f"{self.columns} × {self.rows}" if self.rows else ""


def look_at(path: Path) -> Look:
    content = path.read_bytes() if path.is_file() else b""
    image = decode(content)
    if image is None:
        return Look(sha256(content).hexdigest(), 0, 0, None)
    return Look(sha256(content).hexdigest(), *image.shape, impression_of(image))


def look_at_all(paths: Sequence[Path], progress: Callable[[Iterable, int], Iterator]) -> list[Look]:
    with ThreadPoolExecutor(cores()) as threads:
        return list(progress(threads.map(look_at, paths), len(paths)))


def age_band(row: dict) -> str:
    """The decade of the age, such as ``"40-49"``, or ``""``."""
    age = age_of(row)
    if math.isnan(age):
        return ""
    low = min(int(age // 10) * 10, 90)
    return "90+" if low == 90 else f"{low}-{low + 9}"


def telling(rows: list[dict], column: str) -> float:
    """How well the class is guessed from ``column`` alone: the mean, over classes, of the share
    of images that are guessed right, in [0, 1]; chance is 1 / number of classes.

    The guess for an image is the class that is most frequent, in relation to its size, among
    the *other* images with the same value, so that a value of one image tells nothing.
    """
    totals = Counter(row["label"] for row in rows)
    if len(totals) < 2:
        return 1.0
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row[column]][row["label"]] += 1
    right: dict[str, float] = dict.fromkeys(totals, 0.0)
    for here in counts.values():
        for truth, number in here.items():
            scores = {
                label: (here[label] - (label == truth)) / max(totals[label] - (label == truth), 1)
                for label in totals
            }
            best = max(scores.values())
            winners = [label for label, score in scores.items() if math.isclose(score, best)]
            if truth in winners:
                right[truth] += number / len(winners)
    return sum(right[label] / totals[label] for label in totals) / len(totals)


def one_class_values(
    rows: list[dict], column: str, *, at_least: int = 30, share: float = 0.9
) -> list[tuple[str, str, int, float]]:
    """Values that nearly give the class away: (value, class, images, share of that class)."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row[column]][row["label"]] += 1
    found = []
    for value, here in counts.items():
        label, most = here.most_common(1)[0]
        total = sum(here.values())
        if total >= at_least and most / total >= share:
            found.append((value, label, total, most / total))
    return sorted(found, key=lambda entry: -entry[2])


def values_of(rows: list[dict], column: str, *, most: int = 0) -> list[str]:
    """The values of ``column``, the most frequent first (``most`` of them; 0 is all)."""
    counts = Counter(row[column] for row in rows)
    return [value for value, _number in counts.most_common(most or None)]


def table_of(
    rows: list[dict], column: str, values: Sequence[str], others: Sequence[str], other: str
) -> list[dict]:
    """A line for each of ``values`` of ``column``: counts and shares by ``others`` of ``other``."""
    counts = Counter((row[column], row[other]) for row in rows)
    lines = []
    for value in values:
        cells = [counts[value, name] for name in others]
        total = sum(cells)
        lines.append(
            {
                "value": value,
                "cells": [
                    {"number": cell, "share": 100 * cell / total if total else 0} for cell in cells
                ],
                "total": total,
            }
        )
    return lines
