"""What pages of other apps show of readings."""

from __future__ import annotations

from django import template

from inference.history_chart import history_chart
from inference.models import Analysis, Label
from inference.selectors import patient_readings
from inference.wording import SHORT_CERTAINTY, labels_of
from patients.models import Patient

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
