"""Everything that makes, ends or removes a backup."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.errors import (
    BackupFilesMissingError,
    BackupInterruptedError,
    BackupNotFoundError,
    BackupNotSentError,
    BackupRunningError,
    BackupTooLongError,
)
from operations.models import Backup
from operations.services import access_record
from pneumoniapp.errors import CodedError, UnexpectedError

from .mails import mail_failure
from .making import Made, Progress, backup_make
from .repository import Repository
from .rotating import repository_rotate
from .selectors import backup_is_due, drill_is_due

# A backup whose process gives no sign for so long has lost it (a single large file is
# copied in less).
LOST_AFTER = timedelta(minutes=15)
# Seconds between two signs.
SIGN_EVERY = 2.0

log = structlog.get_logger(__name__)


def backup_open(*, kind: str, by=None, state: str = Backup.State.RUNNING) -> Backup:
    """The row of a backup that begins now.

    Raises ``BackupNotConfiguredError``, ``BackupKeysInvalidError``, and
    ``BackupRunningError`` while another one is queued or running.
    """
    Repository.configured()
    backups_lost_close()
    backup = Backup(kind=kind, state=state, requested_by=by)
    backup.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            backup.save(force_insert=True)
            access_record(actor=by, action="create", obj=backup)
    except IntegrityError:
        raise BackupRunningError from None
    return backup


def backup_run(
    *, backup: Backup, progress: Progress | None = None, anew: bool = False
) -> Made | None:
    """Make the backup that ``backup`` stands for, then rotate; write down how that went.

    Raises nothing of what may go wrong with a backup: it is on the row, and mailed. ``None``
    when it has failed; an unexpected fault is logged. A process that is told to stop closes
    the row. A rotation that fails is in ``counts`` and makes the backup no worse.
    """
    sign = _Sign(backup, progress)
    made, error = None, None
    try:
        made = backup_make(Repository.configured(), progress=sign, anew=anew)
        if made.missing:
            error = BackupFilesMissingError(count=len(made.missing))
        made.counts["rotation"] = _rotated(sign)
    except CodedError as fault:
        log.warning("backup_failed", backup_id=str(backup.pk), exc_info=True)
        error = fault
    except SoftTimeLimitExceeded:
        log.warning("backup_failed", backup_id=str(backup.pk))
        error = BackupTooLongError()
    except Exception:
        log.error("backup_failed", backup_id=str(backup.pk), exc_info=True)
        error = UnexpectedError()
    except BaseException:
        _close(backup, None, BackupInterruptedError())
        raise
    _close(backup, made, error)
    return made


def backups_lost_close() -> list[Backup]:
    """Close the rows whose process is gone; returns them."""
    lost = list(Backup.objects.filter(unfinished=True, seen_at__lt=timezone.now() - LOST_AFTER))
    for backup in lost:
        _close(backup, None, BackupInterruptedError())
    return lost


def backup_request(*, by) -> Backup:
    """Queue a backup for a worker; raises as ``backup_open``, and ``BackupNotSentError``."""
    return _queue(kind=Backup.Kind.BY_HAND, by=by)


def backup_remove(*, name: str) -> None:
    """Remove one backup by hand; its objects go with the next rotation.

    Raises ``BackupNotFoundError``, and ``BackupRunningError`` while one is being made.
    """
    repository = Repository.configured()
    if Backup.objects.filter(unfinished=True).exists():
        raise BackupRunningError
    if name not in repository.manifests():
        raise BackupNotFoundError
    repository.manifest_delete(name)
    access_record(actor=None, action="delete", object_type="operations.backup", object_id=name)


def backup_claim(*, backup_id: str) -> Backup | None:
    """The queued backup, now running; ``None`` when somebody has it or it is over."""
    now, states = timezone.now(), Backup.State
    mine = Backup.objects.filter(pk=backup_id, state=states.QUEUED, unfinished=True).update(
        state=states.RUNNING, started_at=now, seen_at=now
    )
    return Backup.objects.get(pk=backup_id) if mine else None


def backups_look() -> None:
    """Once a minute: close what is lost, and queue what is due."""
    from operations import tasks

    backups_lost_close()
    if backup_is_due() and not Backup.objects.filter(unfinished=True).exists():
        with suppress(BackupRunningError):
            _queue(kind=Backup.Kind.SCHEDULED)
    elif drill_is_due():
        tasks.restore_drill.delay()


def _queue(*, kind: str, by=None) -> Backup:
    from operations import tasks

    backup = backup_open(kind=kind, by=by, state=Backup.State.QUEUED)
    try:
        tasks.backup.delay(str(backup.pk))
    except Exception as error:
        log.warning("backup_not_sent", backup_id=str(backup.pk), exc_info=True)
        fault = BackupNotSentError()
        _close(backup, None, fault)
        raise fault from error
    return backup


def _rotated(progress: Progress) -> dict:
    try:
        return asdict(repository_rotate(Repository.configured(), progress=progress))
    except CodedError as error:
        log.warning("rotation_failed", error_code=error.code, exc_info=True)
        return {"error_code": error.code, "error_params": error.params}


class _Sign:
    """Passes progress on, and writes it on the row every other second.

    A row that was closed meanwhile (its process seemed lost) ends the backup: another one
    may be rotating. Looked at in any case before the manifest and the rotation.
    """

    def __init__(self, backup: Backup, progress: Progress | None) -> None:
        self.backup, self.progress, self.last = backup, progress, 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(step, done, total)
        now = time.monotonic()
        if now - self.last < SIGN_EVERY and step not in ("manifest", "rotation"):
            return
        self.last = now
        mine = Backup.objects.filter(pk=self.backup.pk, unfinished=True).update(
            seen_at=timezone.now(), step=step[:64], step_done=done, step_total=total
        )
        if not mine:
            raise BackupInterruptedError


def _close(backup: Backup, made: Made | None, error: CodedError | None) -> None:
    states = Backup.State
    backup.state = (
        states.DONE if made and not error else states.INCOMPLETE if made else states.FAILED
    )
    if made:
        backup.name = made.name
        for name in ("objects_total", "objects_new", "bytes_total", "bytes_new", "counts"):
            setattr(backup, name, getattr(made, name))
    backup.error_code = error.code if error else ""
    backup.error_params = error.params if error else {}
    backup.step, backup.step_done, backup.step_total = "", 0, 0
    backup.finished_at, backup.unfinished = timezone.now(), None
    backup.save()
    if error:
        mail_failure(template="backup_failed", row=backup)
    log.info(
        "backup_finished",
        backup_id=str(backup.pk),
        state=backup.state,
        error_code=backup.error_code,
        bytes_new=backup.bytes_new,
    )
