"""The numbers of the queue and of finished readings, for ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from .models import Analysis
from .selectors import queue_status

# Durations are of the readings that were asked for in this window, at most so many of them.
WINDOW = timedelta(minutes=15)
MOST = 2000
QUANTILES = (0.5, 0.95, 1.0)


def readings() -> Iterable[Metric]:
    """Analyses by status, the age of the oldest queued one, and how long readings take now."""
    counts = dict.fromkeys(Analysis.Status.values, 0)
    counts |= dict(Analysis.objects.order_by().values_list("status").annotate(Count("pk")))
    by_status = GaugeMetricFamily(
        "pneumoniapp_analyses", "Analyses in the database by status.", labels=["status"]
    )
    for status, count in counts.items():
        by_status.add_metric([status], count)
    yield by_status

    yield GaugeMetricFamily(
        "pneumoniapp_oldest_queued_seconds",
        "How long the oldest queued analysis has waited; 0 when none waits.",
        value=queue_status()["oldest_queued_seconds"] or 0.0,
    )

    seconds = reading_seconds()
    durations = GaugeMetricFamily(
        "pneumoniapp_reading_seconds",
        "From queued to done, over the readings of the last 15 minutes.",
        labels=["quantile"],
    )
    for quantile in QUANTILES if seconds else ():
        durations.add_metric(
            [str(quantile)], seconds[min(int(quantile * len(seconds)), len(seconds) - 1)]
        )
    yield durations
    yield GaugeMetricFamily(
        "pneumoniapp_readings_recent", "Readings of the last 15 minutes.", value=len(seconds)
    )


def reading_seconds() -> list[float]:
    """Seconds from queued to done of the readings in the window, shortest first."""
    rows = Analysis.objects.filter(
        status=Analysis.Status.DONE, queued_at__gte=timezone.now() - WINDOW
    ).order_by("-queued_at")
    times = rows.values_list("queued_at", "finished_at")[:MOST]
    return sorted((end - start).total_seconds() for start, end in times if end)
