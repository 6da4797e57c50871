"""What pages of other apps show of readings."""

from __future__ import annotations

from django import template

from inference.history_chart import history_chart
from inference.models import Analysis, Certainty, Label
from inference.selectors import patient_readings
from inference.timeline import CHART_LIMIT, timeline_entries, timeline_page
from inference.wording import SHORT_CERTAINTY, labels_of
from patients.models import Patient
from patients.selectors import may_treat

register = template.Library()

HISTORY_LIMIT = 100


@register.inclusion_tag("readings/_history.html", takes_context=True)
def patient_history(context, patient: Patient, current: Analysis | None = None) -> dict:
    """The newest radiographs of ``patient`` with their readings, as a table and a chart."""
    rows = list(patient_readings(context["request"].user, patient)[: HISTORY_LIMIT + 1])
    return {
        "patient": patient,
        "current": current,
        "rows": rows[:HISTORY_LIMIT],
        "truncated": len(rows) > HISTORY_LIMIT,
        "chart": history_chart(rows[:HISTORY_LIMIT]),
    }


@register.inclusion_tag("components/timeline.html", takes_context=True)
def patient_timeline(context, patient: Patient) -> dict:
    """A page of ``patient``'s radiographs with all their readings, under a chart of them."""
    request = context["request"]
    newest = list(patient_readings(request.user, patient)[: CHART_LIMIT + 1])
    return {
        "request": request,
        "user": request.user,
        "patient": patient,
        "page": timeline_page(request.user, patient, request.GET),
        "chart": history_chart(newest[:CHART_LIMIT]),
        "chart_limit": CHART_LIMIT if len(newest) > CHART_LIMIT else None,
        "looks_only": not may_treat(request.user, patient),
    }


@register.inclusion_tag("readings/_earlier.html", takes_context=True)
def earlier_readings(context, analysis: Analysis) -> dict:
    """What else was read of this radiograph, and whether a newer version could read it."""
    request = context["request"]
    [entry] = timeline_entries(request.user, [analysis])
    return {"request": request, "user": request.user, "entry": entry}


@register.filter
def class_probabilities(analysis: Analysis) -> list[dict]:
    """All classes with their probabilities; none where these mean nothing."""
    probabilities = analysis.probabilities
    if probabilities is None or analysis.certainty == Certainty.UNLIKE:
        return []
    named = labels_of(analysis)
    return [
        {"label": label, "name": Label(label).label, "value": value, "named": label in named}
        for label, value in probabilities.items()
    ]


@register.filter
def signed(value: int) -> str:
    """A whole number with its sign, as printed: 0 has none, and the minus is a minus."""
    return f"{value:+d}".replace("-", "\u2212") if value else "0"


@register.filter
def named_classes(analysis: Analysis) -> list[dict]:
    """The classes that the reading names, with their calibrated probabilities."""
    probabilities = analysis.probabilities or {}
    return [
        {"label": label, "name": Label(label).label, "probability": probabilities.get(label)}
        for label in labels_of(analysis)
    ]


@register.filter
def short_certainty(value: str) -> str:
    """A certainty in one word, for a column that is headed so."""
    return str(SHORT_CERTAINTY.get(value, ""))
