"""The rehearsal: the newest backup, restored where it harms nobody."""

from __future__ import annotations

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from operations.errors import BackupNotFoundError, BackupTooLongError
from operations.models import RestoreDrill
from operations.services import access_record
from pneumoniapp.errors import CodedError, UnexpectedError

from .mails import mail_failure
from .making import Progress
from .repository import Repository
from .restoring import Restored, backup_restore
from .scratch import scratch_system

log = structlog.get_logger(__name__)


def quiet(*_progress) -> None:
    """Progress that nobody looks at."""


def drill_run(*, progress: Progress = quiet) -> RestoreDrill:
    """Restore the newest backup into a scratch SQLite database and folder, and remove both.

    All that a restore verifies is verified. How it went is on the row that is returned;
    failures are mailed. Raises only what ``Repository.configured`` does. The scratch folder
    is in ``UPLOAD_TEMP_DIR`` or the system's.
    """
    repository = Repository.configured()
    drill, done, error = RestoreDrill(), None, None
    drill.save(force_insert=True)
    access_record(actor=None, action="create", obj=drill)
    try:
        done = _restored(repository, drill, progress)
    except CodedError as fault:
        error = fault
        log.warning("restore_drill_failed", backup=drill.backup, exc_info=True)
    except SoftTimeLimitExceeded:
        error = BackupTooLongError()
        log.warning("restore_drill_failed", backup=drill.backup)
    except Exception:
        error = UnexpectedError()
        log.error("restore_drill_failed", backup=drill.backup, exc_info=True)
    states = RestoreDrill.State
    drill.state = states.PASSED if done else states.FAILED
    if done:
        drill.counts = {
            name: getattr(done, name) for name in ("rows", "tables", "files", "models", "bytes")
        } | {"missing": len(done.missing)}
    else:
        drill.error_code, drill.error_params = error.code, error.params
    drill.finished_at = timezone.now()
    drill.save()
    if error:
        mail_failure(template="drill_failed", row=drill)
    return drill


def _restored(repository: Repository, drill: RestoreDrill, progress: Progress) -> Restored:
    drill.backup = next(iter(repository.manifests()), "")
    if not drill.backup:
        raise BackupNotFoundError
    drill.save()
    with scratch_system(settings.FILE_UPLOAD_TEMP_DIR) as target:
        return backup_restore(repository, drill.backup, target=target, progress=progress)
