"""Reads about backups: when the next is due, and whether the last ones are good."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta

from django.conf import settings
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from operations.errors import BackupInterruptedError
from operations.models import Backup, RestoreDrill

# Most scheduled backups of one day.
TRIES = 3
# After a failed drill the next one doesn't wait for a week.
DRILL_AGAIN = timedelta(days=1)
# A drill whose process is gone.
DRILL_LOST = timedelta(hours=12)


def backup_is_due(now: dt.datetime | None = None) -> bool:
    """Whether ``BACKUP_AT`` has passed without a scheduled backup since.

    One whose worker was stopped is tried again; any other fault waits for a person.
    """
    local = timezone.localtime(now)
    point = local.replace(
        hour=settings.BACKUP_AT.hour, minute=settings.BACKUP_AT.minute, second=0, microsecond=0
    )
    if point > local:
        point -= timedelta(days=1)
    if not settings.BACKUP_KEYS:
        return False
    codes = Backup.objects.filter(kind=Backup.Kind.SCHEDULED, started_at__gte=point).values_list(
        "error_code", flat=True
    )[:TRIES]
    return len(codes) < TRIES and all(code == BackupInterruptedError.code for code in codes)


def drill_is_due(now: dt.datetime | None = None) -> bool:
    """Whether a good backup waits for its rehearsal, and nothing else is going on."""
    now = now or timezone.now()
    if not settings.BACKUP_KEYS or not settings.BACKUP_DRILL_DAYS or not newest_good():
        return False
    if Backup.objects.filter(unfinished=True).exists():
        return False
    last = RestoreDrill.objects.first()
    if last is None:
        return True
    states = RestoreDrill.State
    wait = {
        states.PASSED: timedelta(days=settings.BACKUP_DRILL_DAYS),
        states.FAILED: DRILL_AGAIN,
        states.RUNNING: DRILL_LOST,
    }[last.state]
    return last.started_at < now - wait


def newest_good() -> Backup | None:
    """The newest backup in which nothing is missing."""
    return Backup.objects.filter(state=Backup.State.DONE).first()


def last_proven() -> RestoreDrill | None:
    """The newest rehearsal that restored everything."""
    return RestoreDrill.objects.filter(state=RestoreDrill.State.PASSED).first()


def backups_are_kept() -> dict:
    """Health: the newest good backup is young enough, and neither the last one nor the last
    rehearsal has failed. A new installation has as long for its first one. Without
    ``BACKUP_KEYS`` backups are off, which is no fault here."""
    if not settings.BACKUP_KEYS:
        return {"configured": False}
    good = newest_good()
    last = Backup.objects.filter(unfinished=None).first()
    drill = RestoreDrill.objects.exclude(state=RestoreDrill.State.RUNNING).first()
    since = good.started_at if good else _began()
    age = (timezone.now() - since).total_seconds()
    return {
        "ok": age <= settings.BACKUP_MAX_AGE
        and (last is None or last.state == Backup.State.DONE)
        and (drill is None or drill.state == RestoreDrill.State.PASSED),
        "configured": True,
        "newest_good_seconds": round(age) if good else None,
        "last": last.state if last else None,
        "last_drill": drill.state if drill else None,
    }


def _began() -> dt.datetime:
    """Since when this database could have had a backup."""
    return MigrationRecorder.Migration.objects.filter(
        app="operations", name="0002_backups"
    ).values_list("applied", flat=True)[0]
