"""The chart of a patient's probabilities over time: where each line and mark goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase

from .models import LABELS, Analysis, Certainty, Label, ModelVersion

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 12, 34
# Above the chart, for the letters of the model versions; and how far apart letters must be.
BAND, LETTER_ROOM = 32, 40


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
class Version:
    """A model version of the chart with the letter that stands for it."""

    letter: str
    version: ModelVersion


@dataclass(frozen=True)
class Span:
    """From ``x`` on one version has read. ``letter`` is empty where it has no room."""

    x: str
    letter: str
    is_change: bool


@dataclass(frozen=True)
class Chart:
    """Places in a box of ``WIDTH`` x ``HEIGHT`` user units, written with decimal points.

    ``versions`` and ``spans`` say which version read what; ``spans`` is empty where all is
    by one.
    """

    series: list[Series]
    days: list[tuple[str, dt.date]]
    levels: list[tuple[str, float]]
    first: dt.date
    last: dt.date
    versions: list[Version]
    spans: list[Span]
    view_box: str = f"0 0 {WIDTH} {HEIGHT}"
    left: str = str(LEFT)
    right: str = str(WIDTH - RIGHT)
    bottom: str = str(HEIGHT - BOTTOM)
    label_x: str = str(LEFT - 8)
    label_y: str = str(HEIGHT - 8)
    letter_y: str = "-6"

    @property
    def marks_by_day(self) -> list[list[Mark]]:
        """The marks of each reading together, the newest reading first."""
        rows = zip(*(series.marks for series in self.series), strict=True)
        return [list(row) for row in rows][::-1]


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
        versions=(versions := _versions(done)),
        spans=(spans := _spans(done, versions, x_of)),
        view_box=f"0 {-BAND if spans else 0} {WIDTH} {HEIGHT + (BAND if spans else 0)}",
    )


def _versions(done: Sequence[Analysis]) -> list[Version]:
    """The versions in the order in which they first appear: A, B, C."""
    found = list(dict.fromkeys(analysis.model_version for analysis in done))
    letters = [*ascii_uppercase, *map(str, range(len(ascii_uppercase) + 1, len(found) + 1))]
    return [Version(letter, version) for letter, version in zip(letters, found, strict=False)]


def _spans(
    done: Sequence[Analysis], versions: Sequence[Version], x_of: Callable[[int], float]
) -> list[Span]:
    if len(versions) < 2:
        return []
    letters = {known.version.pk: known.letter for known in versions}
    starts = [(float(LEFT), done[0])]
    for place, (before, analysis) in enumerate(pairwise(done), start=1):
        if analysis.model_version_id != before.model_version_id:
            starts.append(((x_of(place - 1) + x_of(place)) / 2, analysis))
    spans, free = [], 0.0
    for place, (x, analysis) in enumerate(starts):
        letter = letters[analysis.model_version_id] if x >= free else ""
        free = x + LETTER_ROOM if letter else free
        spans.append(Span(_number(x), letter, is_change=place > 0))
    return spans


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
