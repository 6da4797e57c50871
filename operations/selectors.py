"""Reads of what operators and pages want to know about the installation itself."""

from __future__ import annotations

from django.db.models import Count, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from .models import AccessEvent, Heartbeat


def heartbeats() -> dict[str, float]:
    """Seconds since a worker of each queue was last heard of; queues never served are absent."""
    now = timezone.now()
    return {beat.queue: (now - beat.at).total_seconds() for beat in Heartbeat.objects.all()}


def accesses_for(reasons: list[str], *, each: int) -> dict[str, tuple[int, list[AccessEvent]]]:
    """Of each reason how many events name it, and the newest ``each`` of them: one query."""
    of_one = {"partition_by": "reason"}
    rows = AccessEvent.objects.filter(reason__in=reasons).annotate(
        number=Window(Count("pk"), **of_one),
        place=Window(RowNumber(), order_by="-pk", **of_one),
    )
    found: dict[str, tuple[int, list[AccessEvent]]] = {reason: (0, []) for reason in reasons}
    for event in rows.filter(place__lte=each).order_by("-pk"):
        found[event.reason] = (event.number, [*found[event.reason][1], event])
    return found


def patient_accesses(patient) -> QuerySet[AccessEvent]:
    """Who read or wrote something of one patient, and who was refused it; the newest first.

    Lists in which the patient was a row among others are not in it.
    """
    return AccessEvent.objects.filter(patient=str(patient.pk)).select_related("actor")
