"""What a model card is made of, and how its numbers are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.formats import number_format
from django.utils.translation import gettext as _

# Shares nearer to 0 or 1 than this are not written as if they were 0 or 1.
SMALLEST = 0.0005

Interval = list[float | None] | None


@dataclass(frozen=True)
class Text:
    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Missing:
    """A fact that the version does not have, said in a sentence."""

    text: str
    kind: str = "missing"


@dataclass(frozen=True)
class Code:
    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Items:
    lead: str
    items: list[str]
    kind: str = "items"


@dataclass(frozen=True)
class Pairs:
    pairs: list[tuple[str, str]]
    kind: str = "pairs"


@dataclass(frozen=True)
class Table:
    """``rows`` of cells, the first of each its heading; ``code``: the others are no prose."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    code: bool = False
    kind: str = "table"

    def by_name(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each row as its heading and its other cells, each with the heading of its column."""
        return [(name, list(zip(self.head[1:], cells, strict=True))) for name, *cells in self.rows]


@dataclass(frozen=True)
class Mark:
    """A value with its interval, in words and in percent of the plot's width."""

    name: str
    text: str
    at: str
    low: str
    high: str


@dataclass(frozen=True)
class Plot:
    """Marks on one scale from ``low`` to ``high``; ``note`` says what they show."""

    caption: str
    note: str
    marks: list[Mark]
    low: str
    high: str
    kind: str = "plot"


Block = Text | Missing | Code | Items | Pairs | Table | Plot


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Card:
    name: str
    title: str
    sections: list[Section] = field(default_factory=list)


def fact(facts: dict, *path: str):
    """What stands at ``path`` in ``facts``, or ``None``."""
    for key in path:
        if not isinstance(facts, dict) or facts.get(key) is None:
            return None
        facts = facts[key]
    return facts


def split_name(split: str) -> str:
    names = {"train": _("Training"), "val": _("Validation"), "test": _("Test")}
    return names.get(split, split)


def missing(what: str) -> Missing:
    return Missing(_("Not in the facts of this version: %(what)s.") % {"what": what})


def number(value: float | None, places: int = 3) -> str:
    """A number in the reader's language, "–" where it is not defined."""
    # Rounded first: Django cuts digits off.
    return "–" if value is None else number_format(round(value, places), places)


def share(value: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal; 0 and 100 are exact."""
    if value is None:
        return "–"
    if 0 < value < SMALLEST:
        return _("< %(number)s%%") % {"number": number(0.1, 1)}
    if 1 - SMALLEST < value < 1:
        return _("> %(number)s%%") % {"number": number(99.9, 1)}
    places = 0 if value in (0, 1) else 1
    return _("%(number)s%%") % {"number": number(value * 100, places)}


def with_interval(value: float | None, interval: Interval, written=share) -> str:
    """``72.0% (66.1% to 78.2%)``; the value alone where the interval is not known."""
    if value is None:
        return "–"
    if not interval or interval[0] is None or interval[1] is None:
        return _("%(value)s (interval not known)") % {"value": written(value)}
    return _("%(value)s (%(low)s to %(high)s)") % {
        "value": written(value),
        "low": written(interval[0]),
        "high": written(interval[1]),
    }


def plot(
    caption: str,
    note: str,
    rows: list[tuple[str, float | None, Interval]],
    *,
    low: float = 0.0,
    high: float = 1.0,
    written=share,
) -> Plot | None:
    """A plot of the values that have an interval; ``None`` when none has.

    The scale begins at 0 instead of ``low`` where an interval reaches below it.
    """
    known = [row for row in rows if row[1] is not None and row[2] and None not in row[2]]
    if not known:
        return None
    if min(interval[0] for _name, _value, interval in known) < low:
        low = 0.0

    def place(value: float) -> str:
        return f"{min(max((value - low) / (high - low), 0.0), 1.0) * 100:.1f}%"

    marks = [
        Mark(
            name,
            with_interval(value, interval, written),
            place(value),
            place(interval[0]),
            place(interval[1]),
        )
        for name, value, interval in known
    ]
    return Plot(caption, note, marks, written(low), written(high))
