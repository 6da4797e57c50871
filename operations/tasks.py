"""Periodic tasks of the installation itself."""

from __future__ import annotations

from pneumoniapp.tasks import idempotent_task

from .services import heartbeat_record


@idempotent_task(queue="default", hard_limit=10)
def heartbeat(queue: str) -> None:
    """Prove that a worker takes messages from ``queue``; sent through that queue."""
    heartbeat_record(queue=queue)
