"""Everything that makes, ends or removes a backup."""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.errors import (
    BackupFilesMissingError,
    BackupInterruptedError,
    BackupRunningError,
)
from operations.models import Backup
from pneumoniapp.errors import CodedError, UnexpectedError

from .making import Made, Progress, backup_make
from .repository import Repository

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
    except IntegrityError:
        raise BackupRunningError from None
    return backup


def backup_run(
    *, backup: Backup, progress: Progress | None = None, anew: bool = False
) -> Made | None:
    """Make the backup that ``backup`` stands for, and write down on it how that went.

    Raises nothing of what may go wrong with a backup: it is on the row. ``None`` when it
    has failed; an unexpected fault is logged. A process that is told to stop closes the row.
    """
    sign = _Sign(backup, progress)
    made, error = None, None
    try:
        made = backup_make(Repository.configured(), progress=sign, anew=anew)
        if made.missing:
            error = BackupFilesMissingError(count=len(made.missing))
    except CodedError as fault:
        log.warning("backup_failed", backup_id=str(backup.pk), exc_info=True)
        error = fault
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


class _Sign:
    """Passes progress on, and writes it on the row every other second."""

    def __init__(self, backup: Backup, progress: Progress | None) -> None:
        self.backup, self.progress, self.last = backup, progress, 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(step, done, total)
        now = time.monotonic()
        if now - self.last < SIGN_EVERY:
            return
        self.last = now
        Backup.objects.filter(pk=self.backup.pk, unfinished=True).update(
            seen_at=timezone.now(), step=step[:64], step_done=done, step_total=total
        )


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
    log.info(
        "backup_finished",
        backup_id=str(backup.pk),
        state=backup.state,
        error_code=backup.error_code,
        bytes_new=backup.bytes_new,
    )
