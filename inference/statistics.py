"""How doctors judged readings, in numbers: for a doctor their own, for administrators all.

What counts: the judgement of a doctor on an analysis that stands now (``is_current``), once.
A change of mind replaces what was said before. (Judgements made before the reading was shown
are also counted by themselves, as they were made: :func:`judgements_unseen`.) A radiograph
that another model version read again has another analysis: a judgement of that one counts by
itself. Of two doctors who judge one analysis, each counts. The month is that of the
judgement, by the clock of ``TIME_ZONE``; the class of a reading is its most probable one,
also where it is uncertain.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

from django.db.models import Case, Count, IntegerField, Min, QuerySet, Value, When
from django.utils import timezone

from .models import LABELS, Analysis, Certainty, Review

# Two-sided 95 % of the normal distribution.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Tally:
    """How many judgements agree with the reading, and how many contest it."""

    agreed: int = 0
    contested: int = 0

    @property
    def judged(self) -> int:
        return self.agreed + self.contested

    @property
    def share(self) -> float | None:
        """The share that agrees, in [0, 1]; ``None`` without a judgement."""
        return self.agreed / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of :attr:`share`; ``None`` without a judgement."""
        return wilson_interval(self.agreed, self.judged) if self.judged else None


def wilson_interval(hits: int, cases: int) -> tuple[float, float]:
    """95 % score interval of the share ``hits / cases`` (``cases`` > 0), both in [0, 1].

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209. It takes the cases as
    independent; judgements of one doctor, or of one radiograph, are so only in part.
    """
    share = hits / cases
    square = Z_95 * Z_95 / cases
    middle = (share + square / 2) / (1 + square)
    half = Z_95 * sqrt(share * (1 - share) / cases + square / (4 * cases)) / (1 + square)
    # At the ends, where nothing or everything hits, rounding must not leave [0, 1].
    low = 0.0 if hits == 0 else max(middle - half, 0.0)
    return low, 1.0 if hits == cases else min(middle + half, 1.0)


@dataclass(frozen=True)
class Group:
    """Judgements that have all of this in common, and how many they are."""

    month: dt.date
    version: object
    certainty: str
    read: str
    said: str
    verdict: str
    count: int

    @property
    def agrees(self) -> bool:
        return self.verdict == Review.Verdict.APPROVED


@dataclass(frozen=True)
class Judgements:
    """Groups of judgements, and the months (first days, oldest first) that they are of."""

    groups: list[Group]
    months: list[dt.date]

    @cached_property
    def total(self) -> Tally:
        return _tally(self.groups)

    @cached_property
    def by_class(self) -> dict[str, Tally]:
        """By the class of the reading, all of them, in the order of ``LABELS``."""
        return self._by(lambda group: group.read, LABELS)

    @cached_property
    def by_month(self) -> dict[dt.date, Tally]:
        """By month, those without a judgement included, oldest first."""
        return self._by(lambda group: group.month, self.months)

    @cached_property
    def by_class_and_month(self) -> dict[tuple[dt.date, str], Tally]:
        keys = [(month, label) for month in self.months for label in LABELS]
        return self._by(lambda group: (group.month, group.read), keys)

    @cached_property
    def by_certainty(self) -> dict[str, Tally]:
        """By the certainty of the reading, only those that occur, in the order of the model."""
        occur = {group.certainty for group in self.groups}
        return self._by(lambda group: group.certainty, [c for c in Certainty.values if c in occur])

    @cached_property
    def confusion(self) -> list[list[int]]:
        """Rows: the class that doctors said; columns: the model's; in the order of ``LABELS``."""
        found: Counter = Counter()
        for group in self.groups:
            found[group.said, group.read] += group.count
        return [[found[said, read] for read in LABELS] for said in LABELS]

    def by_version(self) -> dict[object, Judgements]:
        """The same for each model version (by key) that judged readings are of."""
        versions = dict.fromkeys(group.version for group in self.groups)
        return {
            version: Judgements([g for g in self.groups if g.version == version], self.months)
            for version in versions
        }

    def _by(self, key: Callable[[Group], object], keys: Iterable) -> dict:
        found: dict = {}
        for group in self.groups:
            found.setdefault(key(group), []).append(group)
        return {one: _tally(found.get(one, [])) for one in keys}


def _tally(groups: Iterable[Group]) -> Tally:
    counts = Counter()
    for group in groups:
        counts[group.agrees] += group.count
    return Tally(agreed=counts[True], contested=counts[False])


def judgements(
    *, doctor=None, months: int | None = None, rows: QuerySet[Review] | None = None
) -> Judgements:
    """What ``doctor``, or every doctor, judged in the last ``months``, this one included.

    ``months=None``: since the first judgement. The database adds up; what it returns has
    the length of months x versions x classes, however many judgements there are. One
    query, and one more for the first judgement. ``rows`` are other judgements to count. What
    is not like what the model knows is left out: no class was claimed.
    """
    rows = judgements_that_count(doctor) if rows is None else rows
    rows = rows.exclude(analysis__certainty=Certainty.UNLIKE)
    days = _months(rows, months)
    found = (
        rows.filter(created_at__gte=_begin(days[0]))
        .annotate(month=_month_of(days))
        .order_by()
        .values_list(
            "month",
            "analysis__model_version",
            "analysis__certainty",
            "analysis__label",
            "label",
            "verdict",
        )
        .annotate(count=Count("pk"))
    )
    return Judgements([Group(days[place], *rest) for place, *rest in found], days)


def judgements_that_count(doctor=None) -> QuerySet[Review]:
    """The judgements that stand now, of ``doctor`` or of all."""
    rows = Review.objects.filter(is_current=True)
    return rows.filter(doctor=doctor) if doctor is not None else rows


def judgements_unseen(doctor=None) -> QuerySet[Review]:
    """The judgements made while the reading was withheld, whatever was said afterwards.

    A doctor makes one at most on a radiograph. In them the model had no say: agreement is
    measured without what was shown pulling at it.
    """
    rows = Review.objects.filter(before_reading=True)
    return rows.filter(doctor=doctor) if doctor is not None else rows


@dataclass(frozen=True)
class Coverage:
    """How many readings a model version made, and how many of them anybody judged."""

    readings: int = 0
    judged: int = 0

    @property
    def share(self) -> float | None:
        return self.judged / self.readings if self.readings else None


def coverage_by_version(doctor=None) -> dict[object, Coverage]:
    """For each model version (by key), since it was registered; two queries.

    With ``doctor``: the readings of that doctor's radiographs, and of these the ones that
    the doctor judged. A reading that several doctors judged is one reading.
    """
    readings = Analysis.objects.filter(model_version__isnull=False)
    judged = judgements_that_count(doctor)
    if doctor is not None:
        readings = readings.filter(owner=doctor)
        judged = judged.filter(analysis__owner=doctor)
    made = readings.order_by().values_list("model_version").annotate(count=Count("pk"))
    version = "analysis__model_version"
    seen = dict(
        judged.order_by().values_list(version).annotate(count=Count("analysis", distinct=True))
    )
    return {key: Coverage(count, seen.get(key, 0)) for key, count in made}


def _months(rows: QuerySet[Review], count: int | None) -> list[dt.date]:
    last = timezone.localdate().replace(day=1)
    first = last
    if count is None:
        if found := rows.aggregate(at=Min("created_at"))["at"]:
            first = min(timezone.localdate(found).replace(day=1), last)
    else:
        for _month in range(count - 1):
            first = (first - dt.timedelta(days=1)).replace(day=1)
    months = [first]
    while months[-1] < last:
        months.append((months[-1] + dt.timedelta(days=31)).replace(day=1))
    return months


def _month_of(months: list[dt.date]) -> Case:
    """The place of a judgement's month: by comparison, for MariaDB may know no time zones."""
    whens = [
        When(created_at__gte=_begin(month), then=Value(place))
        for place, month in reversed(list(enumerate(months)))
    ]
    return Case(*whens, output_field=IntegerField())


def _begin(month: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(month, dt.time()))
