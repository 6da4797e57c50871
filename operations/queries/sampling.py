"""A sample of requests and tasks is timed, statement by statement; nothing of their values stays.

Whoever is not in the sample pays one random number. Whoever is pays two readings of the clock
a statement; what they took is summed up in this process and added to the table
(``services.times_add``) after an answer has left, every ``FLUSH_SECONDS`` at most.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager

import structlog
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.core.signals import request_finished
from django.db import DatabaseError, connection
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from .normal import normal
from .tally import Tally

FLUSH_SECONDS = 30
MOST_STATEMENTS = 1000  # of one request or task
MOST_KEPT = 300  # in this process until the next flush

log = structlog.get_logger(__name__)
_lock = threading.Lock()
_kept: dict[tuple[str, str], Tally] = {}
_flushed_at = time.monotonic()
_tasks: dict[str, Times] = {}


class Times:
    """An execute wrapper of Django: what was executed, and how many seconds it took."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken: list[tuple[str, float]] = []

    def __call__(self, execute, sql, params, many, context):
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            if len(self.taken) < MOST_STATEMENTS and isinstance(sql, str):
                self.taken.append((sql, time.perf_counter() - start))


def is_sampled() -> bool:
    return random.random() < settings.QUERY_SAMPLE  # noqa: S311


class QuerySampleMiddleware:
    """Times the statements of some requests."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_sampled():
            return self.get_response(request)
        times = Times()
        with connection.execute_wrapper(times):
            response = self.get_response(request)
        match = request.resolver_match
        keep(times, f"{request.method} /{match.route}" if match else "(no route)")
        return response


@task_prerun.connect(dispatch_uid="operations.queries.begin")
def begin(task_id: str, **_kwargs) -> None:
    if is_sampled():
        _tasks[task_id] = times = Times()
        connection.execute_wrappers.append(times)


@task_postrun.connect(dispatch_uid="operations.queries.end")
def end(task_id: str, task, **_kwargs) -> None:
    if times := _tasks.pop(task_id, None):
        connection.execute_wrappers.remove(times)
        keep(times, task.name)
    flush_if_due()


def keep(times: Times, place: str) -> None:
    """Sum up what ``times`` found, under the route or task ``place``."""
    with _lock:
        for sql, seconds in times.taken:
            if not (statement := normal(sql)):
                continue
            key = (statement, place)
            if key in _kept or len(_kept) < MOST_KEPT:
                _kept.setdefault(key, Tally()).add(seconds)


@receiver(request_finished, dispatch_uid="operations.queries.flush")
def flush_if_due(**_kwargs) -> None:
    """After an answer has left (nobody waits for this), or after a task."""
    if _kept and time.monotonic() - _flushed_at > FLUSH_SECONDS:
        flush()


def flush() -> None:
    """Add what this process has summed up to the table; a sample may be lost, a request never."""
    from .services import times_add

    global _flushed_at
    with _lock:
        found, _flushed_at = dict(_kept), time.monotonic()
        _kept.clear()
    try:
        times_add(found=found)
    except DatabaseError as error:
        log.warning("query_times_lost", error=type(error).__name__)


@contextmanager
def sampled(place: str):
    """All statements of the block are timed: for measurements and tests."""
    times = Times()
    with connection.execute_wrapper(times):
        yield times
    keep(times, place)
