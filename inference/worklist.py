"""The worklist: which readings wait for a doctor, the most urgent first.

Every list here is carried by one index of ``Analysis`` (see there): it is walked in its
order, and what the filters need is in it.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django import forms
from django.db.models import Max
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from pneumoniapp.paging import Page, keyset_page

from .forms import ReadingFilterForm
from .models import Analysis, AnalysisQuerySet, Certainty, Review
from .selectors import RELATED, Whose, sought, whose_rows
from .urgency import Urgency

# A count goes no further: what matters above is that there are many.
COUNT_LIMIT = 10_000
NEWS_LIMIT = 100

Status = Analysis.Status
_OPEN = (Urgency.OPEN, Urgency.OPEN + Urgency.SPAN)
_READ = (Urgency.READ, Urgency.READ + Urgency.SPAN)
# Where in the order the rows of a status or of a certainty stand: the index goes straight there.
STATUS_RANGE = {
    Status.FAILED: (Urgency.FAILED, Urgency.FAILED),
    Status.DONE: (_OPEN[0], _READ[1]),
    Status.RUNNING: (Urgency.RUNNING, Urgency.RUNNING),
    Status.QUEUED: (Urgency.QUEUED, Urgency.QUEUED),
}
CERTAINTY_RANGE = {
    certainty: _OPEN
    if certainty in (Certainty.UNCERTAIN, Certainty.UNLIKE, Certainty.LOW)
    else _READ
    for certainty in Certainty.values
}


class WorklistFilterForm(ReadingFilterForm):
    """What of the worklist is shown; left out, everything that waits for a judgement."""

    judgement = forms.ChoiceField(
        label=_("Judgement"),
        required=False,
        choices=[
            ("", _("Waits for me")),
            ("judged", _("Judged")),
            ("approved", _("I agreed")),
            ("contested", _("I contested")),
            ("all", _("Judged or not")),
        ],
    )

    field_order = ["judgement", "label", "certainty", "status", "since", "until"]
    LOOKUPS = ReadingFilterForm.LOOKUPS | {
        "since": "acquired_on__gte",
        "until": "acquired_on__lte",
    }
    JUDGEMENTS = {
        "": {"judgement": ""},
        "judged": {"judgement__in": Review.Verdict.values},
        "approved": {"judgement": Review.Verdict.APPROVED},
        "contested": {"judgement": Review.Verdict.CONTESTED},
        "all": {},
    }

    @property
    def lookups(self) -> dict:
        """Filter arguments for analyses; a field with an error filters nothing."""
        lookups = super().lookups
        ranges = [
            STATUS_RANGE.get(lookups.get("status")),
            CERTAINTY_RANGE.get(lookups.get("certainty")),
        ]
        if found := [limits for limits in ranges if limits]:
            lookups["urgency__gte"] = max(low for low, _high in found)
            lookups["urgency__lte"] = min(high for _low, high in found)
        return self.JUDGEMENTS[self.cleaned_data.get("judgement", "")] | lookups

    @property
    def is_filtered(self) -> bool:
        """Whether anything is asked for beyond what an empty form shows."""
        self.is_valid()
        asked = {name: value for name, value in self.cleaned_data.items() if name != "whose"}
        return any(asked.values()) or bool(self.errors)


def worklist_base(user, whose: str) -> AnalysisQuerySet:
    """The current readings of the doctor's own patients or of their practice's, by one index."""
    return _copied(user, whose).current()


def _copied(user, whose: str) -> AnalysisQuerySet:
    if whose == Whose.MINE:
        return Analysis.objects.of_doctor(user)
    if whose == Whose.PRACTICE:
        return Analysis.objects.of_practice(user)
    return whose_rows(user, whose)


def worklist_rows(user, lookups: dict, whose: str = Whose.MINE) -> AnalysisQuerySet:
    """The current readings of a doctor's radiographs that ``lookups`` leave, in no order."""
    rows = sought(worklist_base(user, whose), user, lookups)
    rows = rows.select_related("radiograph").prefetch_related(*RELATED)
    return rows if whose == Whose.MINE else rows.select_related("radiograph", "owner")


def worklist_order(user) -> str:
    """The field that orders the worklist: urgency, which tells what the readings say.

    Who reads first gets the radiographs as they came.
    """
    return "radiograph__pk" if user.read_first else "urgency"


def worklist_page(user, lookups: dict, params, whose: str = Whose.MINE) -> Page:
    """The page that ``params`` (``after``, ``before``) ask for, the most urgent first.

    In one urgency the radiograph that came first is first: its key tells the time.
    """
    return keyset_page(
        worklist_rows(user, lookups, whose),
        order=worklist_order(user),
        key="radiograph__pk",
        params=params,
        # The row at which a page began may be judged and gone: the page still begins there.
        anchors=worklist_base(user, whose),
    )


def worklist_counts(user, whose: str = Whose.MINE) -> list[dict]:
    """How many readings wait for the doctor, by status: ``status``, ``name``, ``count``, ``more``.

    ``more`` says that the count stopped at ``COUNT_LIMIT``. One query for each status.
    """
    counts = []
    for status, (low, high) in STATUS_RANGE.items():
        rows = worklist_base(user, whose).filter(judgement="")
        rows = rows.filter(urgency__gte=low, urgency__lte=high).order_by()
        count = rows.values("pk")[: COUNT_LIMIT + 1].count()
        counts.append(
            {
                "status": status.value,
                "name": status.label,
                "count": min(count, COUNT_LIMIT),
                "more": count > COUNT_LIMIT,
            }
        )
    return counts


def newest_finish(user, whose: str = Whose.MINE) -> datetime | None:
    """When the newest reading was finished, by the worker's clock."""
    return _copied(user, whose).aggregate(at=Max("finished_at"))["at"]


def worklist_news(user, lookups: dict, since: str, whose: str = Whose.MINE) -> int:
    """How many readings that ``lookups`` leave were finished after ``since`` (ISO 8601).

    ``since`` empty: all of them. At most ``NEWS_LIMIT``; 0 for a time that is none.
    """
    rows = sought(worklist_base(user, whose), user, lookups)
    try:
        at = parse_datetime(since) if since else None
    except ValueError:
        return 0
    if since and (at is None or at.tzinfo is None or not 2 <= at.year <= 9998):
        return 0
    rows = rows.filter(finished_at__gt=at) if at else rows.filter(finished_at__isnull=False)
    return rows.order_by().values("pk")[:NEWS_LIMIT].count()


# --- The place in the worklist -------------------------------------------------------------

PAGE_KEYS = ("after", "before")
# Holds what ``place_of`` gives: no fact of a patient.
PLACE_COOKIE = "worklist"


def worklist_address(request: HttpRequest, radiograph_pk=None) -> str:
    """The worklist as this browser showed it last, at the row of one radiograph."""
    place = place_of(QueryDict(request.COOKIES.get(PLACE_COOKIE, "")))
    address = reverse("inference:worklist")
    address += f"?{place}" if place else ""
    return f"{address}#open-{radiograph_pk}" if radiograph_pk else address


def worklist_scope(request: HttpRequest) -> str:
    """Whose worklist this browser showed last."""
    form = WorklistFilterForm(QueryDict(request.COOKIES.get(PLACE_COOKIE, "")))
    form.is_valid()
    return form.scope


def place_of(params) -> str:
    """The query string that leads back: the filters and the page, and nothing else."""
    form = WorklistFilterForm(params)
    form.is_valid()
    place = QueryDict(mutable=True)
    for name in form.fields:
        if value := form.cleaned_data.get(name):
            place[name] = str(value)
    for name in PAGE_KEYS:
        if key := _uuid(params.get(name)):
            place[name] = str(key)
    return place.urlencode()


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
