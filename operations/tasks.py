"""Periodic tasks of the installation itself."""

from __future__ import annotations

from django.conf import settings

from pneumoniapp.tasks import idempotent_task

from .audit import checking
from .audit.anomalies import anomalies_find
from .audit.sealing import events_seal
from .backup import services
from .backup.drilling import drill_run
from .backup.selectors import drill_is_due
from .services import heartbeat_record


@idempotent_task(queue="default", hard_limit=10)
def heartbeat(queue: str) -> None:
    """Prove that a worker takes messages from ``queue``; sent through that queue."""
    heartbeat_record(queue=queue)


@idempotent_task(queue="default")
def backups_look() -> None:
    """See which backup or rehearsal is due; see ``backup.services.backups_look``."""
    services.backups_look()


@idempotent_task(queue="default", hard_limit=settings.BACKUP_TIME_LIMIT)
def backup(backup_id: str) -> None:
    """Make one queued backup, once however often the message comes."""
    if row := services.backup_claim(backup_id=backup_id):
        services.backup_run(backup=row)


@idempotent_task(queue="default", hard_limit=settings.BACKUP_TIME_LIMIT)
def restore_drill() -> None:
    """Rehearse a restore, if that is still due."""
    if drill_is_due():
        drill_run()


@idempotent_task(queue="default")
def audit_seal() -> None:
    """Put what was recorded into the chain; see ``audit.sealing``."""
    events_seal()


@idempotent_task(queue="default", hard_limit=3600)
def audit_verify() -> None:
    """Verify the record of access, once a day."""
    if checking.check_is_due():
        checking.check_run()


@idempotent_task(queue="default")
def anomalies_look() -> None:
    """Take note of what stands out; see ``audit.anomalies``."""
    anomalies_find()
