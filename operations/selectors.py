"""Reads of what operators and pages want to know about the installation itself."""

from __future__ import annotations

from django.utils import timezone

from .models import Heartbeat


def heartbeats() -> dict[str, float]:
    """Seconds since a worker of each queue was last heard of; queues never served are absent."""
    now = timezone.now()
    return {beat.queue: (now - beat.at).total_seconds() for beat in Heartbeat.objects.all()}
