"""Numbers for Prometheus: requests, and what each app counts in the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .selectors import heartbeats

Source = Callable[[], Iterable[Metric]]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Let ``/metrics`` show what ``source()`` yields; call it from ``AppConfig.ready``.

    It is asked at each scrape, so its queries must stay cheap however much data there is.
    """
    _sources.append(source)


class _Sources:
    def collect(self) -> Iterable[Metric]:
        for source in _sources:
            yield from source()


def exposition() -> bytes:
    """All metrics in Prometheus' text format.

    With several web processes each keeps its requests' numbers in ``PROMETHEUS_MULTIPROC_DIR``
    (set by ``gunicorn.conf.py``) and any of them answers for all.
    """
    text = b""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shared = CollectorRegistry()
        MultiProcessCollector(shared)
        text += generate_latest(shared)
    else:
        text += generate_latest(REGISTRY)
    own = CollectorRegistry()
    own.register(_Sources())
    return text + generate_latest(own)


def worker_heartbeats() -> Iterable[Metric]:
    """Seconds since a worker of each queue was last heard of."""
    gauge = GaugeMetricFamily(
        "pneumoniapp_worker_heartbeat_age_seconds",
        "Seconds since a worker of the queue was last heard of.",
        labels=["queue"],
    )
    for queue, age in sorted(heartbeats().items()):
        gauge.add_metric([queue], age)
    yield gauge
