"""The record of access as a CSV file, streamed."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from operations.models import AccessEvent
from pneumoniapp.spreadsheets import csv_text

LIMIT = 500_000
CHUNK = 2000
COLUMNS = (
    "id",
    "at",
    "actor",
    "actor_email",
    "action",
    "object_type",
    "object_id",
    "patient",
    "count",
    "channel",
    "reason",
    "route",
    "address",
    "request_id",
    "position",
    "digest",
    "chain",
)
_VALUES = [{"actor": "actor_id", "actor_email": "actor__email"}.get(c, c) for c in COLUMNS]


def event_lines(rows: QuerySet[AccessEvent], *, language: str) -> Iterator[str]:
    """Lines of a CSV file, the newest event first, ``LIMIT`` at most.

    Heads are the names of the columns in every language: another program reads them.
    """
    yield "\ufeff"
    with translation.override(language):
        yield csv_text([list(COLUMNS)])
    rows = rows.order_by("-pk").values_list(*_VALUES)
    chunk = list(rows[:CHUNK])
    done = 0
    while chunk and done < LIMIT:
        with translation.override(language):
            text = csv_text([_text(value) for value in row] for row in chunk)
        yield text
        done += len(chunk)
        chunk = list(rows.filter(pk__lt=chunk[-1][0])[:CHUNK])
    if chunk:
        with translation.override(language):
            sentence = _("Only the newest %(count)s events are in this file.") % {"count": LIMIT}
            yield csv_text([[sentence]])


def _text(value) -> str:
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
