"""Where the bars of judgements stand in their charts; the tables beside have the numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from .statistics import Tally

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 28, 34
# Months that are named below, at most: on a small screen the letters are large.
NAMES = 4
# Up to so many columns carry their number.
NUMBERED = 12


@dataclass(frozen=True)
class Column:
    """One month: a column of those that agree, and on it those that contest."""

    month: dt.date
    tally: Tally
    x: str
    middle: str
    width: str
    agreed_y: str
    agreed_height: str
    contested_y: str
    contested_height: str
    number_y: str
    named: bool


@dataclass(frozen=True)
class MonthChart:
    """Places in a box of ``WIDTH`` x ``HEIGHT`` user units, written with decimal points."""

    columns: list[Column]
    levels: list[tuple[str, int]]
    numbered: bool
    view_box: str = f"0 0 {WIDTH} {HEIGHT}"
    left: str = str(LEFT)
    right: str = str(WIDTH - RIGHT)
    label_x: str = str(LEFT - 8)
    label_y: str = str(HEIGHT - 8)


def month_chart(by_month: Mapping[dt.date, Tally]) -> MonthChart | None:
    """The chart of judgements by month, oldest first; ``None`` without a judgement."""
    most = max((tally.judged for tally in by_month.values()), default=0)
    if not most:
        return None
    top, step = _scale(most)
    unit = (HEIGHT - BOTTOM - TOP) / top
    place = (WIDTH - RIGHT - LEFT) / len(by_month)
    width = min(0.7 * place, 72)
    every = -(-len(by_month) // NAMES)
    columns = []
    for number, (month, tally) in enumerate(by_month.items()):
        middle = LEFT + (number + 0.5) * place
        agreed, contested = tally.agreed * unit, tally.contested * unit
        foot = HEIGHT - BOTTOM
        columns.append(
            Column(
                month=month,
                tally=tally,
                x=_number(middle - width / 2),
                middle=_number(middle),
                width=_number(width),
                agreed_y=_number(foot - agreed),
                agreed_height=_number(agreed),
                contested_y=_number(foot - agreed - contested),
                contested_height=_number(contested),
                number_y=_number(foot - agreed - contested - 6),
                named=(len(by_month) - 1 - number) % every == 0,
            )
        )
    levels = [(_number(HEIGHT - BOTTOM - n * unit), n) for n in range(0, top + 1, step)]
    return MonthChart(columns, levels, numbered=len(columns) <= NUMBERED)


@dataclass(frozen=True)
class Row:
    """One kind of reading: a bar as long as its share of the longest, in percent."""

    key: str
    name: str
    tally: Tally
    agreed_width: str
    contested_width: str


def rows_of(tallies: Mapping[str, Tally], names: Mapping[str, str]) -> list[Row]:
    """A bar for each of ``tallies``, all on one scale."""
    most = max((tally.judged for tally in tallies.values()), default=0) or 1
    return [
        Row(
            key=key,
            name=str(names[key]),
            tally=tally,
            agreed_width=_number(100 * tally.agreed / most),
            contested_width=_number(100 * tally.contested / most),
        )
        for key, tally in tallies.items()
    ]


def _scale(most: int) -> tuple[int, int]:
    """The top of the scale and the step of its lines: round numbers, two to five lines."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if most <= 4 * factor * step:
                return -(-most // (factor * step)) * factor * step, factor * step
        step *= 10


def _number(value: float) -> str:
    """Written as SVG wants it, whatever the reader's language."""
    return f"{value:.1f}"
