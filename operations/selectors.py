"""Reads of what operators and pages want to know about the installation itself."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from .models import AccessEvent, Heartbeat


def heartbeats() -> dict[str, float]:
    """Seconds since a worker of each queue was last heard of; queues never served are absent."""
    now = timezone.now()
    return {beat.queue: (now - beat.at).total_seconds() for beat in Heartbeat.objects.all()}


def patient_accesses(patient) -> QuerySet[AccessEvent]:
    """Who read or wrote something of one patient, and who was refused it; the newest first.

    Lists in which the patient was a row among others are not in it.
    """
    return AccessEvent.objects.filter(patient=str(patient.pk)).select_related("actor")
