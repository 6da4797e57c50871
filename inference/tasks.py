"""The worker's doors to ``inference.services``."""

from __future__ import annotations

import time

from celery import current_task
from celery.exceptions import Reject
from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections

from pneumoniapp.tasks import idempotent_task

from . import notices, services
from .privacy import erasure, retention

# Seconds before a message goes back while the database does not answer.
DATABASE_PAUSE = 1


@idempotent_task(queue="inference", hard_limit=settings.ANALYSIS_TIME_LIMIT)
def analyse(analysis_id: str) -> None:
    """Run one queued analysis; see ``services.analysis_run``."""
    message = current_task.request
    try:
        services.analysis_run(
            analysis_id=analysis_id,
            delivery_id=message.id or "",
            redelivered=bool((message.delivery_info or {}).get("redelivered")),
        )
    except AnyDatabaseError as error:
        # Nothing could be written: the message itself must not be lost.
        close_old_connections()
        time.sleep(DATABASE_PAUSE)
        raise Reject(error, requeue=True) from error


@idempotent_task(queue="default")
def sweep() -> None:
    """Put right what lost workers and lost messages left; see ``services.analyses_sweep``."""
    services.analyses_sweep()


@idempotent_task(queue="default", hard_limit=300)
def notify() -> None:
    """Tell doctors who asked for it that their radiographs have been read."""
    notices.notices_send()


@idempotent_task(queue="default", hard_limit=900)
def sweep_erasures() -> None:
    """Remove the files of erased patients; see ``privacy.erasure``."""
    erasure.erasures_sweep()


@idempotent_task(queue="default", hard_limit=3600)
def run_retention() -> None:
    """Erase who is past the term of retention, where the settings say so."""
    if settings.RETENTION_AUTOMATIC:
        for _entry in retention.retention_run():
            pass
