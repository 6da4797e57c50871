"""What a Celery worker does when it starts, before and after it listens."""

from __future__ import annotations

import sys

import structlog
from celery.signals import worker_init, worker_ready
from django.core import checks
from django.db import connections
from django_structlog.celery import signals

from .checks import WORKER
from .services import heartbeat_record

log = structlog.get_logger(__name__)


@worker_init.connect
def refuse_when_misconfigured(**_kwargs) -> None:
    """End the process with the errors of every check tagged ``WORKER``, if there is one."""
    errors = [
        message
        for message in checks.run_checks(tags=[WORKER])
        if message.level >= checks.ERROR and not message.is_silenced()
    ]
    if errors:
        sys.exit("\n".join(["The worker can't start:", *map(str, errors)]))


@worker_ready.connect
def announce(sender, **_kwargs) -> None:
    """Write the first heartbeat of each queue that this worker listens to."""
    try:
        for queue in sender.task_consumer.queues:
            heartbeat_record(queue=queue.name)
    except Exception:  # A database that is away now must not stop the worker for good.
        log.warning("heartbeat_failed", exc_info=True)
    finally:
        connections.close_all()


@signals.bind_extra_task_metadata.connect
def name_the_task(task, **_kwargs) -> None:
    """Put the task's name beside its id in every line that it writes."""
    structlog.contextvars.bind_contextvars(task=task.name)
