"""The chart of a patient's probabilities over time: where each line and mark goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .models import LABELS, Analysis, Certainty, Label

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 12, 34


@dataclass(frozen=True)
class Mark:
    """One probability: its place, and what it is in ``analysis``."""

    x: str
    y: str
    value: float
    analysis: Analysis


@dataclass(frozen=True)
class Series:
    """One class: its marks, and SVG paths that join marks of one model version only."""

    label: str
    name: str
    marks: list[Mark]
    paths: list[str]


@dataclass(frozen=True)
class Chart:
    """Places in a box of ``WIDTH`` x ``HEIGHT`` user units, written with decimal points."""

    series: list[Series]
    days: list[tuple[str, dt.date]]
    levels: list[tuple[str, float]]
    first: dt.date
    last: dt.date
    view_box: str = f"0 0 {WIDTH} {HEIGHT}"
    left: str = str(LEFT)
    right: str = str(WIDTH - RIGHT)
    bottom: str = str(HEIGHT - BOTTOM)
    label_x: str = str(LEFT - 8)
    label_y: str = str(HEIGHT - 8)


def history_chart(analyses: Sequence[Analysis]) -> Chart | None:
    """The chart of the finished ones among ``analyses``; ``None`` for fewer than two.

    What is not like what the model knows is left out: its probabilities mean nothing.
    """
    done = sorted(
        (one for one in analyses if one.probabilities and one.certainty != Certainty.UNLIKE),
        key=lambda analysis: (analysis.radiograph.acquired_on, analysis.radiograph_id),
    )
    if len(done) < 2:
        return None
    first, last = done[0].radiograph.acquired_on, done[-1].radiograph.acquired_on
    span = (last - first).days

    def x_of(place: int) -> float:
        # Radiographs of a single day stand side by side.
        day = done[place].radiograph.acquired_on
        share = (day - first).days / span if span else place / (len(done) - 1)
        return LEFT + 12 + share * (WIDTH - RIGHT - LEFT - 24)

    series = []
    for label in LABELS:
        marks = [
            Mark(_number(x_of(place)), _number(_y(value)), value, analysis)
            for place, analysis in enumerate(done)
            for value in [analysis.probabilities[label]]
        ]
        series.append(Series(label, str(Label(label).label), marks, _paths(marks)))
    days = {first: _number(x_of(0)), last: _number(x_of(len(done) - 1))} if span else {}
    return Chart(
        series=series,
        days=[(x, day) for day, x in days.items()],
        levels=[(_number(_y(level)), level) for level in (0.0, 0.5, 1.0)],
        first=first,
        last=last,
    )


def _paths(marks: Sequence[Mark]) -> list[str]:
    paths, current = [], [marks[0]]
    for before, mark in pairwise(marks):
        if mark.analysis.model_version_id != before.analysis.model_version_id:
            paths.append(current)
            current = []
        current.append(mark)
    paths.append(current)
    return [
        "M" + " L".join(f"{mark.x} {mark.y}" for mark in path) for path in paths if len(path) > 1
    ]


def _y(value: float) -> float:
    return TOP + (1 - value) * (HEIGHT - BOTTOM - TOP)


def _number(value: float) -> str:
    """Written as SVG wants it, whatever the reader's language."""
    return f"{value:.1f}"
