"""The daily verification of the record of access, and what health says of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from operations.backup.mails import mail_failure
from operations.errors import AuditTooLongError
from operations.models import AccessEvent, AuditCheck, AuditHead
from pneumoniapp.errors import CodedError, UnexpectedError

from .anchors import anchor_write
from .sealing import events_seal
from .verifying import Verified, chain_verify

EVERY = timedelta(days=1)
# One whose process is gone.
LOST = timedelta(hours=12)
# Health: an event that waits for longer than this (seconds) has no sealer.
WAITS = 900

log = structlog.get_logger(__name__)


def check_is_due() -> bool:
    """Whether nobody verifies now, and nobody has within a day."""
    last = AuditCheck.objects.first()
    if last is None:
        return AccessEvent.objects.exists()
    running = last.state == AuditCheck.State.RUNNING
    return last.started_at < timezone.now() - (LOST if running else EVERY)


def check_run(
    *,
    witness: dict[int, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[AuditCheck, Verified | None]:
    """Seal, verify, and write down how that went; a fault is on the row, and mailed.

    A chain that is whole is anchored.
    """
    check, found, error = AuditCheck(), None, None
    check.save(force_insert=True)
    try:
        events_seal()
        found = chain_verify(witness=witness, progress=progress)
        error = found.fault
    except SoftTimeLimitExceeded:
        error = AuditTooLongError()
    except CodedError as fault:
        error = fault
    except Exception:
        log.error("audit_check_failed", exc_info=True)
        error = UnexpectedError()
    states = AuditCheck.State
    check.state = states.FAILED if error else states.PASSED
    if found:
        names = ("events", "changed", "broken", "missing", "unsealed", "anchors", "triggers")
        check.counts = {name: getattr(found, name) for name in names}
        check.position, check.chain = found.position, found.chain
    if error:
        check.error_code, check.error_params = error.code, error.params
    check.finished_at = timezone.now()
    check.save()
    log.info("audit_checked", state=check.state, error_code=check.error_code, **check.counts)
    if error:
        mail_failure(template="audit_failed", row=check)
    elif found.position:
        anchor_write(position=found.position, chain=found.chain)
        AuditHead.objects.filter(pk=1).update(anchored_at=timezone.now())
    return check, found


def audit_is_whole() -> dict:
    """Health: the last verification passed and is young enough, and events are sealed.

    A new installation has as long for its first one.
    """
    now = timezone.now()
    last = AuditCheck.objects.exclude(state=AuditCheck.State.RUNNING).first()
    waiting = AccessEvent.objects.filter(position=None).order_by("pk")
    oldest = waiting.values_list("at", flat=True).first()
    waits = (now - oldest).total_seconds() if oldest else 0
    since = last.finished_at if last else _first()
    age = (now - since).total_seconds() if since else 0
    return {
        "ok": (last is None or last.state == AuditCheck.State.PASSED)
        and age <= settings.AUDIT_CHECK_MAX_AGE
        and waits <= WAITS,
        "last": last.state if last else None,
        "last_seconds": round(age) if last else None,
        "waiting_seconds": round(waits),
    }


def _first():
    return AccessEvent.objects.order_by("pk").values_list("at", flat=True).first()
