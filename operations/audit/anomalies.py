"""What stands out in the record of access: counted by the database, for an administrator to see.

Each finder looks at the events of the last :data:`WINDOW` alone and counts by whole hours, so
the work is bounded by what happened lately, not by what was ever recorded.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from operations.models import AccessEvent, Anomaly
from operations.services import access_record

from .search import for_reason

WINDOW = dt.timedelta(hours=26)
# Somebody who worked at this hour on so many of the days before usually does.
USUAL_DAYS, USUAL_WITHIN = 3, dt.timedelta(days=30)
# The most that one look takes note of, of each kind.
MOST = 500

Kind = Anomaly.Kind
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    kind: str
    hour: dt.datetime
    count: int
    actor_id: int | None = None
    address: str | None = None

    @property
    def key(self) -> str:
        who = self.address or self.actor_id
        return f"{self.kind}:{who}:{self.hour:%Y%m%d%H}"


def anomalies_find() -> int:
    """Write down what stands out; how many rows are new. One that grew is corrected, and is
    to be seen again."""
    since = timezone.now() - WINDOW
    events = AccessEvent.objects.filter(at__gte=since).order_by()
    found = {one.key: one for finder in FINDERS for one in finder(events)}
    known = dict(Anomaly.objects.filter(key__in=found).values_list("key", "count"))
    new = [one for key, one in found.items() if key not in known]
    with transaction.atomic():
        Anomaly.objects.bulk_create(
            [Anomaly(key=one.key, **vars(one)) for one in new], ignore_conflicts=True
        )
        for key, one in found.items():
            if known.get(key, one.count) < one.count:
                Anomaly.objects.filter(key=key).update(count=one.count, seen_at=None, seen_by=None)
    if new:
        log.info("anomalies_found", count=len(new))
    return len(new)


def anomaly_see(*, anomaly: Anomaly, by, request=None) -> None:
    """Write down that an administrator has looked at it."""
    with transaction.atomic():
        seen = Anomaly.objects.filter(pk=anomaly.pk, seen_at=None)
        if seen.update(seen_at=timezone.now(), seen_by=by):
            access_record(actor=by, action="update", obj=anomaly, request=request)


def _by_hour(events: QuerySet[AccessEvent], *who: str) -> QuerySet:
    return events.annotate(hour=TruncHour("at", tzinfo=dt.UTC)).values("hour", *who)


def _many_patients(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """One account, more patients in an hour than anybody reads."""
    limit = settings.ANOMALY_PATIENTS_PER_HOUR
    rows = _by_hour(events.filter(actor__isnull=False).exclude(patient=""), "actor_id")
    rows = rows.annotate(number=Count("patient", distinct=True)).filter(number__gt=limit)
    for row in rows[:MOST]:
        yield Found(Kind.PATIENTS, row["hour"], row["number"], actor_id=row["actor_id"])


def _many_rows(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """One account that leafs through lists."""
    limit = settings.ANOMALY_ROWS_PER_HOUR
    rows = _by_hour(events.filter(actor__isnull=False, object_id="list"), "actor_id")
    rows = rows.annotate(number=Sum("count")).filter(number__gt=limit)
    for row in rows[:MOST]:
        yield Found(Kind.ROWS, row["hour"], row["number"], actor_id=row["actor_id"])


def _break_glass(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """Every hour in which somebody used emergency access."""
    rows = _by_hour(events.filter(for_reason("break_glass")), "actor_id")
    for row in rows.annotate(number=Count("pk"))[:MOST]:
        yield Found(Kind.BREAK_GLASS, row["hour"], row["number"], actor_id=row["actor_id"])


def _refusals(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """One account or one address that is refused again and again."""
    limit, refused = settings.ANOMALY_REFUSALS_PER_HOUR, events.filter(action="refused")
    for name in ("actor_id", "address"):
        known = refused.exclude(**{name: None})
        rows = _by_hour(known, name).annotate(number=Count("pk")).filter(number__gt=limit)
        for row in rows[:MOST]:
            yield Found(Kind.REFUSALS, row["hour"], row["number"], **{name: row[name]})


def _logins(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """One account whose password somebody tries to guess, from wherever."""
    failed = events.filter(action="refused", object_type="refusal.login").exclude(object_id="-")
    rows = _by_hour(failed, "object_id").annotate(number=Count("pk"))
    for row in rows.filter(number__gt=settings.ANOMALY_LOGINS_PER_HOUR)[:MOST]:
        yield Found(Kind.LOGINS, row["hour"], row["number"], actor_id=int(row["object_id"]))


def _foreign_hours(events: QuerySet[AccessEvent]) -> Iterator[Found]:
    """Work outside the hours of the house, by somebody who does not usually work then."""
    worked = events.filter(actor__isnull=False).exclude(action="refused")
    candidates = []
    for row in _by_hour(worked, "actor_id").annotate(number=Count("pk")):
        if not _is_open(row["hour"]):
            candidates.append(row)
    candidates = candidates[:MOST]
    usual = _days_by_hour({row["actor_id"] for row in candidates})
    for row in candidates:
        local = timezone.localtime(row["hour"])
        days = {day for day in usual[row["actor_id"], local.hour] if day < local.date()}
        if len(days) < USUAL_DAYS:
            yield Found(Kind.HOURS, row["hour"], row["number"], actor_id=row["actor_id"])


def _is_open(hour: dt.datetime) -> bool:
    first, last = settings.ANOMALY_HOURS
    local = timezone.localtime(hour).hour
    return first <= local < last if first <= last else local >= first or local < last


def _days_by_hour(actors: set[int]) -> dict[tuple[int, int], set[dt.date]]:
    """The days on which each of these accounts worked, by the local hour."""
    days: dict[tuple[int, int], set[dt.date]] = defaultdict(set)
    events = AccessEvent.objects.filter(
        actor__in=actors, at__gte=timezone.now() - USUAL_WITHIN
    ).exclude(action="refused")
    for hour, actor in (
        _by_hour(events.order_by(), "actor_id").values_list("hour", "actor_id").distinct()
    ):
        local = timezone.localtime(hour)
        days[actor, local.hour].add(local.date())
    return days


FINDERS = (_many_patients, _many_rows, _break_glass, _refusals, _logins, _foreign_hours)
