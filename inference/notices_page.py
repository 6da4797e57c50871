"""What every page tells a doctor unasked: what waits for them, and that a batch was read.

The pages ask at a calm pace. An answer costs one query, carried by the indexes of the
worklist. Up to when a browser was told stands in its cookie, with no fact of a patient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, IntegerField, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Doctor

from .models import Analysis
from .notices import FOR_A_PERSON
from .urgency import Urgency
from .worklist import STATUS_RANGE

Status = Analysis.Status
# A count goes no further: above, it says that there are more.
WAITING_LIMIT, NEWS_LIMIT = 99, 1000
# A batch is over when nothing of it waits and nothing was finished for so long.
QUIET = timedelta(seconds=3)
COOKIE = "notices"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Size(Subquery):
    """How many rows the (sliced) subquery gives."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


@dataclass(frozen=True)
class Seen:
    """What a browser was told of one account: how many wait, and of readings up to when."""

    waiting: int = 0
    until: datetime | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Seen:
        """From the cookie; nothing for another account, or for a cookie that is none of ours."""
        match = re.fullmatch(
            r"(\d{1,18})-(\d{1,3})-(\d{1,16})", request.COOKIES.get(COOKIE, ""), re.ASCII
        )
        if not match or int(match[1]) != request.user.pk:
            return cls()
        return cls(int(match[2]), _EPOCH + timedelta(microseconds=int(match[3])))

    def cookie(self, user) -> str:
        return f"{user.pk}-{self.waiting}-{(self.until - _EPOCH) // timedelta(microseconds=1)}"


@dataclass(frozen=True)
class Notice:
    """What there is to tell now.

    ``waiting`` readings are failed, or uncertain, and not judged. ``read`` (``person`` of
    which are for a person to decide) and ``failed`` were finished since the browser was
    told; all three are 0 while others are still awaited. ``until`` is the newest of them.
    """

    waiting: int
    read: int
    person: int
    failed: int
    until: datetime

    @property
    def tells(self) -> bool:
        return bool(self.read or self.failed)


def notice(user, seen: Seen, *, shown=None) -> Notice:
    """What to tell a practising doctor who was told what ``seen`` says; one query.

    ``shown`` is the key of a radiograph that the page shows: that it is read, the page says.
    Who reads first is not told how many readings are uncertain, nor of them as waiting.
    """
    mine = Analysis.objects.filter(owner=user, is_current=True).order_by()
    to_judge = mine.filter(judgement="")
    last = Urgency.FAILED if user.read_first else Urgency.OPEN + Urgency.SPAN
    since = seen.until or timezone.now()
    news = mine.filter(finished_at__gt=since)
    if shown is not None:
        news = news.exclude(radiograph=shown)
    done = news.filter(status=Status.DONE)
    unsure = done.filter(certainty__in=FOR_A_PERSON)
    awaited = to_judge.filter(
        urgency__gte=STATUS_RANGE[Status.RUNNING][0], urgency__lte=STATUS_RANGE[Status.QUEUED][1]
    )
    newest = Analysis.objects.filter(owner=user, finished_at__isnull=False)
    found = (
        Doctor.objects.filter(pk=user.pk)
        .annotate(
            waiting=_size(to_judge.filter(urgency__lte=last), WAITING_LIMIT),
            awaited=Exists(awaited),
            read=_size(done, NEWS_LIMIT),
            person=Value(0) if user.read_first else _size(unsure, NEWS_LIMIT),
            failed=_size(news.filter(status=Status.FAILED), NEWS_LIMIT),
            newest=Subquery(newest.order_by("-finished_at").values("finished_at")[:1]),
        )
        .values("waiting", "awaited", "read", "person", "failed", "newest")
        .get()
    )
    newest = found["newest"]
    if seen.until and (found["awaited"] or newest is None or newest > timezone.now() - QUIET):
        return Notice(found["waiting"], 0, 0, 0, seen.until)
    until = max(newest, seen.until or newest) if newest else since
    return Notice(found["waiting"], found["read"], found["person"], found["failed"], until)


def _size(rows: QuerySet, limit: int) -> _Size:
    return _Size(rows.values("pk")[: limit + 1])
