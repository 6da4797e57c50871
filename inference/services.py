"""Writes of readings: the way of one analysis from queued to done or failed.

Only this module moves ``Analysis.status``, always by an UPDATE that names the state it
comes from. A claim is known by ``claimed_by`` (the delivery) with ``attempts``; a worker
that lost its claim to another changes nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import transaction
from django.db.models import F, Q, Subquery
from django.utils import timezone

from operations.services import access_record
from patients.treating import practice_held, treatment_hold
from pneumoniapp.errors import CodedError, PermanentError, UnexpectedError
from pneumoniapp.tasks import QUEUES
from radiology.models import Radiograph
from radiology.services import radiograph_stored
from radiology.text_checks import text_record

from .errors import (
    AnalysisInProgressError,
    AnalysisInterruptedError,
    AnalysisNotRetriableError,
    AnalysisTimedOutError,
    NoModelInProductionError,
)
from .model_services import model_promote, model_register, model_rollback
from .models import Analysis, ModelVersion
from .review_services import review_before_reading, review_create, review_decide

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Reading",
    "analyses_sweep",
    "analysis_request",
    "analysis_requeue",
    "analysis_run",
    "model_promote",
    "model_register",
    "model_rollback",
    "reading_submit",
    "review_before_reading",
    "review_create",
    "review_decide",
]

Status = Analysis.Status
# What one turn of the sweeper sends at most; the next turn comes seconds later.
SWEEP_BATCH = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reading:
    """What an upload became; ``created`` is false when the radiograph was known already."""

    radiograph: Radiograph
    analysis: Analysis
    created: bool


def reading_submit(
    *, patient, uploaded_by, file, acquired_on=None, confirm_mismatch=False, request=None
) -> Reading:
    """Receive one DICOM file and queue its analysis, both or neither.

    ``file`` is a seekable file, or what ``radiology.intake.examine`` made of it before a
    transaction of the caller's began. ``request``, here and below, only feeds the record of
    access.

    The task is sent after the commit. A broker that is down changes nothing for the
    caller: the row is queued and the sweeper sends it later. Raises what
    ``radiology.services.radiograph_stored`` raises.
    """
    with radiograph_stored(
        patient=patient,
        uploaded_by=uploaded_by,
        file=file,
        acquired_on=acquired_on,
        confirm_mismatch=confirm_mismatch,
        request=request,
    ) as (radiograph, created):
        known = radiograph.analyses.for_reader(uploaded_by).current()
        analysis = None if created else known.first()
        if analysis is None:
            practice_id = practice_held(radiograph.patient_id)
            analysis = _analysis_create(radiograph, uploaded_by, practice_id)
    return Reading(radiograph, analysis, created)


def analysis_request(*, radiograph: Radiograph, requested_by, request=None) -> Analysis:
    """Queue a new analysis of ``radiograph``, with the version then in production.

    It becomes the current one; earlier ones are kept. Raises :class:`AnalysisInProgressError`
    while the current one is not finished.
    """
    with transaction.atomic():
        _hold(radiograph, requested_by)
        practice_id = practice_held(radiograph.patient_id)
        Radiograph.objects.select_for_update().get(pk=radiograph.pk)
        current = radiograph.analyses.current().first()
        if current is not None:
            if not current.is_finished:
                raise AnalysisInProgressError
            radiograph.analyses.current().update(is_current=None)
        analysis = _analysis_create(radiograph, requested_by, practice_id)
        access_record(actor=requested_by, action="create", obj=analysis, request=request)
    return analysis


def _hold(radiograph: Radiograph, user) -> None:
    """``user`` treats the patient still, see ``treatment_hold``."""
    treatment_hold(user=user, owner_id=radiograph.owner_id, patient=lambda: radiograph.patient)


def _analysis_create(radiograph: Radiograph, requested_by, practice_id) -> Analysis:
    analysis = Analysis(
        radiograph=radiograph,
        owner_id=radiograph.owner_id,
        practice_id=practice_id,
        acquired_on=radiograph.acquired_on,
        requested_by=requested_by,
    )
    analysis.clean_fields(exclude=["radiograph", "owner", "requested_by"])
    analysis.save(force_insert=True)
    _send_on_commit(analysis.pk)
    return analysis


def analysis_requeue(*, analysis: Analysis, requested_by, request=None) -> Analysis:
    """Put a failed analysis back into the queue with all its attempts.

    Raises :class:`AnalysisNotRetriableError` unless it is failed and the current one.
    """
    now = timezone.now()
    with transaction.atomic():
        if requested_by:
            _hold(analysis.radiograph, requested_by)
        updated = Analysis.objects.filter(
            pk=analysis.pk, status=Status.FAILED, is_current=True
        ).update(
            status=Status.QUEUED,
            attempts=0,
            claimed_by="",
            queued_at=now,
            sent_at=now,
            started_at=None,
            finished_at=None,
            error_code="",
            error_params={},
        )
        if not updated:
            raise AnalysisNotRetriableError
        access_record(actor=requested_by, action="update", obj=analysis, request=request)
        _send_on_commit(analysis.pk)
    analysis.refresh_from_db()
    return analysis


def _send_on_commit(analysis_id: uuid.UUID) -> None:
    transaction.on_commit(partial(_send, analysis_id), robust=True)


def _send(analysis_id: uuid.UUID) -> bool:
    """Hand the analysis to the broker; a failure is logged and left to the sweeper."""
    from .tasks import analyse

    try:
        analyse.delay(str(analysis_id))
    except Exception as error:
        # What a broker's client raises is many kinds; its long trace says nothing more.
        log.warning("analysis_not_sent", analysis_id=str(analysis_id), error=type(error).__name__)
        Analysis.objects.filter(pk=analysis_id, status=Status.QUEUED).update(sent_at=None)
        return False
    return True


def analysis_run(*, analysis_id, delivery_id: str = "", redelivered: bool = False) -> bool:
    """Read one radiograph: claim the row, do the work, write the result.

    ``delivery_id`` is the id of the message; with ``redelivered`` the broker says that its
    first receiver is gone, so a row that this very message was running is taken over.
    Returns whether this call finished the row (done or failed). Errors end on the row;
    only a database error leaves this function, because then nothing could be written.
    """
    delivery_id = delivery_id or uuid.uuid4().hex
    analysis = _claim(analysis_id, delivery_id, redelivered)
    if analysis is None:
        return False
    with structlog.contextvars.bound_contextvars(
        analysis_id=str(analysis.pk), attempt=analysis.attempts
    ):
        if analysis.attempts > settings.ANALYSIS_MAX_ATTEMPTS:
            return _fail(
                analysis, AnalysisInterruptedError(attempts=settings.ANALYSIS_MAX_ATTEMPTS)
            )
        try:
            return _read(analysis)
        except AnyDatabaseError:
            raise
        except PermanentError as error:
            return _fail(analysis, error)
        except CodedError as error:
            return _retry_or_fail(analysis, error)
        except SoftTimeLimitExceeded:
            return _retry_or_fail(
                analysis, AnalysisTimedOutError(seconds=int(0.9 * settings.ANALYSIS_TIME_LIMIT))
            )
        except Exception:
            log.exception("analysis_unexpected_error")
            return _retry_or_fail(analysis, UnexpectedError())


def _claim(analysis_id, delivery_id: str, redelivered: bool) -> Analysis | None:
    """The row, now running for this delivery, or ``None`` if there is nothing to do.

    ``model_version_id`` is set to the version in production at this moment (one query).
    """
    free = Q(status=Status.QUEUED)
    if redelivered:
        free |= Q(status=Status.RUNNING, claimed_by=delivery_id)
    claimed = Analysis.objects.filter(free, pk=analysis_id).update(
        status=Status.RUNNING,
        claimed_by=delivery_id,
        attempts=F("attempts") + 1,
        started_at=timezone.now(),
    )
    if not claimed:
        return None
    production = ModelVersion.objects.filter(in_production=True).values("pk")[:1]
    analysis = (
        Analysis.objects.select_related("radiograph")
        .only(
            "claimed_by",
            "attempts",
            "map",
            "radiograph__file",
            "radiograph__preview",
            "radiograph__text_state",
        )
        .annotate(production_id=Subquery(production))
        .get(pk=analysis_id)
    )
    if analysis.claimed_by != delivery_id:
        return None
    analysis.model_version_id = analysis.production_id
    return analysis


def _claimed(analysis: Analysis):
    """The row if it still belongs to this claim, else nothing."""
    return Analysis.objects.filter(
        pk=analysis.pk,
        status=Status.RUNNING,
        claimed_by=analysis.claimed_by,
        attempts=analysis.attempts,
    )


def _read(analysis: Analysis) -> bool:
    if analysis.model_version_id is None:
        raise NoModelInProductionError
    from radiology.dicom import limited

    limited.warm()  # It imports what decodes while this process imports what reads.
    from .engine import engine_for
    from .pipeline import read_radiograph

    had_preview = bool(analysis.radiograph.preview)
    reading = read_radiograph(analysis, engine_for(analysis.model_version_id))
    prediction = reading.prediction
    with transaction.atomic():
        finished = _claimed(analysis).update(
            status=Status.DONE,
            finished_at=timezone.now(),
            model_version=analysis.model_version_id,
            label=prediction.label,
            certainty=prediction.certainty,
            prediction_set=prediction.prediction_set,
            gate_score=prediction.gate_score,
            map=reading.map,
            timings=reading.timings,
            **{f"p_{label}": value for label, value in prediction.probabilities.items()},
        )
        if finished and not had_preview:
            Radiograph.objects.filter(pk=analysis.radiograph_id).update(preview=reading.preview)
    if not finished:
        log.warning("analysis_claim_lost")
        return False
    if analysis.radiograph.text_state == Radiograph.TextState.NOT_SEARCHED:
        _search_text(analysis.radiograph, reading.rendered)
    log.info("analysis_done", model=str(analysis.model_version_id), timings=reading.timings)
    return True


def _search_text(radiograph: Radiograph, image: np.ndarray) -> None:
    """Look for burned-in text; the reading stands already, whatever happens here."""
    from radiology.burned_in import regions_of

    try:
        text_record(radiograph=radiograph, regions=regions_of(image))
    except Exception:
        log.exception("text_search_failed", radiograph_id=str(radiograph.pk))


def _fail(analysis: Analysis, error: CodedError) -> bool:
    failed = _claimed(analysis).update(
        status=Status.FAILED,
        finished_at=timezone.now(),
        error_code=error.code,
        error_params=error.params,
    )
    log.warning("analysis_failed", code=error.code)
    return bool(failed)


def _retry_or_fail(analysis: Analysis, error: CodedError) -> bool:
    """Back to the queue for the sweeper to send, or failed when the attempts are used."""
    if analysis.attempts >= settings.ANALYSIS_MAX_ATTEMPTS:
        return _fail(analysis, error)
    _claimed(analysis).update(status=Status.QUEUED, claimed_by="", sent_at=None)
    log.warning("analysis_will_be_retried", code=error.code, exc_info=error)
    return False


def analyses_sweep() -> dict[str, int]:
    """Put right what a lost worker or a lost message left behind; returns the counts.

    - ``running`` for longer than 1.1 times ``ANALYSIS_TIME_LIMIT``: its worker is dead. Queued
      again, or failed when its attempts are used.
    - ``queued``, and last sent more than ``ANALYSIS_REQUEUE_AFTER`` seconds ago (or never):
      sent again, oldest first. Of those sent before no more than the broker lacks messages,
      so that a long queue is not made longer: the broker's count holds other messages too, so
      a row without a message is never held back by it. A message too many does no harm:
      claiming leaves it.
    """
    now = timezone.now()
    lost = Analysis.objects.filter(
        status=Status.RUNNING,
        started_at__lt=now - timedelta(seconds=1.1 * settings.ANALYSIS_TIME_LIMIT),
    )
    limit = settings.ANALYSIS_MAX_ATTEMPTS
    failed = lost.filter(attempts__gte=limit).update(
        status=Status.FAILED,
        finished_at=now,
        error_code=AnalysisInterruptedError.code,
        error_params={"attempts": limit},
    )
    requeued = lost.update(status=Status.QUEUED, claimed_by="", sent_at=None)
    counts = {"failed": failed, "requeued": requeued, "sent": _send_unsent(now)}
    if any(counts.values()):
        log.warning("analyses_swept", **counts)
    return counts


def _send_unsent(now) -> int:
    stale = Analysis.objects.filter(
        Q(sent_at__lt=now - timedelta(seconds=settings.ANALYSIS_REQUEUE_AFTER))
        | Q(sent_at__isnull=True),
        status=Status.QUEUED,
    )
    candidates = list(stale.order_by("sent_at", "pk").values_list("pk", "sent_at")[:SWEEP_BATCH])
    if not candidates:
        return 0
    try:
        missing = Analysis.objects.filter(status=Status.QUEUED).count() - _messages_waiting()
    except Exception as error:
        log.warning("broker_unreachable", error=type(error).__name__)
        return 0
    sent = 0
    unsent = sum(sent_at is None for _pk, sent_at in candidates)
    for analysis_id, _sent_at in candidates[: max(missing, unsent)]:
        # Marked before it is sent: a sweeper beside this one leaves it alone.
        if stale.filter(pk=analysis_id).update(sent_at=now):
            if not _send(analysis_id):
                break
            sent += 1
    return sent


def _messages_waiting() -> int:
    """How many messages the broker holds for readings, not counting those being worked on."""
    from .tasks import analyse

    with analyse.app.connection_for_write() as connection:
        declared = connection.default_channel.queue_declare(
            queue=QUEUES[analyse.name], durable=True, auto_delete=False
        )
    return declared.message_count
