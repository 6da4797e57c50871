"""Writes the table of times: bounded, and the same for all processes."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from operations.models import StatementTimes

from .tally import Tally

MOST_ROWS = 500
KEPT_DAYS = 7
FIELDS = ["count", "total_us", "longest_us", "mean_us", "p95_us", "classes", "last_at"]


def times_key(statement: str, place: str) -> str:
    return hashlib.sha256(f"{place}\0{statement}".encode()).hexdigest()


@transaction.atomic
def times_add(*, found: dict[tuple[str, str], Tally]) -> None:
    """Add the times of (statement, place) to what other processes have added before.

    Rows that nobody added to for ``KEPT_DAYS`` go, and beyond ``MOST_ROWS`` the oldest.
    """
    by_key = {times_key(*key): (key, tally) for key, tally in found.items()}
    # In the order of their keys, so that two processes never wait for each other.
    known = StatementTimes.objects.select_for_update().order_by("pk").in_bulk(list(by_key))
    now = timezone.now()
    for key, ((statement, place), tally) in by_key.items():
        row = known.get(key) or StatementTimes(pk=key, statement=statement, place=place[:200])
        _fill(row, tally, now)
        by_key[key] = row
    StatementTimes.objects.bulk_create(
        [by_key[key] for key in sorted(by_key.keys() - known.keys())]
    )
    StatementTimes.objects.bulk_update([by_key[key] for key in sorted(known)], FIELDS)
    StatementTimes.objects.filter(last_at__lt=now - timedelta(days=KEPT_DAYS)).delete()
    beyond = StatementTimes.objects.order_by("-last_at", "pk").values_list("pk", flat=True)
    if old := list(beyond[MOST_ROWS : MOST_ROWS + 1000]):
        StatementTimes.objects.filter(pk__in=old).delete()


def _fill(row: StatementTimes, tally: Tally, now) -> None:
    sum_ = Tally(row.count, row.total_us, row.longest_us, dict(row.classes))
    sum_.merge(tally)
    row.count, row.total_us, row.longest_us = sum_.count, sum_.total, sum_.longest
    row.mean_us = sum_.total // sum_.count
    row.p95_us = sum_.percentile(0.95)
    row.classes, row.last_at = sum_.classes, now


def times_clear() -> None:
    """Begin anew: after an index was added, or on a quiet day."""
    StatementTimes.objects.all().delete()
