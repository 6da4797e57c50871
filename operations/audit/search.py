"""Finding events among millions: each question goes straight to an index.

Events are shown by primary key, the newest first, and every index of one column ends in it.
A period is turned into a range of keys, so that the rest of a question keeps its index.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import timezone

from operations.models import AccessEvent

from .wording import OBJECTS, REFUSALS

# An event is timed a moment before it gets its key, and one machine's clock is ahead of
# another's: so many keys beside a period are looked at as well.
SLACK = 10_000


def events_between(
    rows: QuerySet[AccessEvent], since: dt.date | None, until: dt.date | None
) -> QuerySet[AccessEvent]:
    """Those of the days from ``since`` to ``until``, both included, in the time zone of pages."""
    events = AccessEvent.objects.order_by("at").values_list("pk", flat=True)
    if since:
        start = _midnight(since)
        first = events.filter(at__gte=start).first()
        if first is None:
            return rows.none()
        rows = rows.filter(pk__gte=first - SLACK, at__gte=start)
    if until:
        end = _midnight(until + dt.timedelta(days=1))
        last = events.filter(at__lt=end).last()
        if last is None:
            return rows.none()
        rows = rows.filter(pk__lte=last + SLACK, at__lt=end)
    return rows


def events_of_doctor(rows: QuerySet[AccessEvent], words: str) -> QuerySet[AccessEvent]:
    """Those of the account with this e-mail address, or this key."""
    accounts = get_user_model().objects
    if words.isascii() and words.isdecimal() and len(words) < 19:
        return rows.filter(actor=int(words))
    found = accounts.filter(email=accounts.normalize_email(words)).values_list("pk", flat=True)
    return rows.filter(actor=found[0]) if found else rows.none()


def events_found(rows: QuerySet[AccessEvent], words: str) -> QuerySet[AccessEvent]:
    """By an account's e-mail address, or a key: of a request, a patient, a reason, any object."""
    words = words.strip()
    if ":" in words:
        return rows.filter(reason=words)
    if "@" in words:
        return events_of_doctor(rows, words)
    events = AccessEvent.objects.all()
    if key := _uuid(words):
        words = str(key)
        if events.filter(request_id=words).exists():
            return rows.filter(request_id=words)
        if events.filter(patient=words).exists():
            return rows.filter(patient=words)
    # The index begins with the type.
    types = [*OBJECTS, *REFUSALS, *(model._meta.label_lower for model in apps.get_models())]
    return rows.filter(object_type__in=types, object_id=words)


def for_reason(code: str) -> Q:
    """Events with this reason, alone or with a key behind it: a range, as an index has it.

    The end is the next letter, since databases disagree on the order of ``:`` and ``;``.
    """
    return Q(reason__gte=code, reason__lt=code[:-1] + chr(ord(code[-1]) + 1))


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
