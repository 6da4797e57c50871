"""The one way to make a Celery task (raw ``shared_task`` is banned by lint)."""

from __future__ import annotations

from collections.abc import Callable

from celery import shared_task

# The queue of each task by its name; the Celery application routes by it.
QUEUES: dict[str, str] = {}


def idempotent_task(*, queue: str, hard_limit: int = 60) -> Callable:
    """Make a task that may be delivered twice or lose its worker without harm.

    The message is acknowledged after the work and goes back to the queue when the
    worker is lost. ``hard_limit`` is in seconds; the soft limit is 0.9 of it, and the
    broker's visibility timeout (settings) is above the largest one. Results live on
    our own rows, never in Celery's result back-end. Task arguments are primary keys
    alone: no names, identifiers or secrets.
    """

    def decorate(function: Callable):
        name = f"{function.__module__}.{function.__name__}"
        QUEUES[name] = queue
        return shared_task(
            name=name,
            bind=False,
            acks_late=True,
            reject_on_worker_lost=True,
            ignore_result=True,
            time_limit=hard_limit,
            soft_time_limit=int(hard_limit * 0.9) or 1,
        )(function)

    return decorate


def route(name: str, *_args, **_kwargs) -> dict | None:
    """Celery's ``task_routes``: the queue that the task was declared with."""
    return {"queue": QUEUES[name]} if name in QUEUES else None
