"""From queued to done or failed: claims, attempts, retries, the sweeper."""

from __future__ import annotations

import io
import re
import time
import uuid
from datetime import timedelta

import cv2
import numpy as np
import pytest
from celery.exceptions import Reject
from django.core.files.base import ContentFile
from django.db import InterfaceError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from inference import services, tasks
from inference.errors import (
    AnalysisInProgressError,
    AnalysisNotRetriableError,
    NoModelInProductionError,
)
from inference.models import LABELS, Analysis
from inference.selectors import queue_status
from inference.services import (
    analyses_sweep,
    analysis_request,
    analysis_requeue,
    analysis_run,
    reading_submit,
)
from pneumoniapp.errors import CodedError, PermanentError
from radiology import burned_in
from radiology.models import Radiograph
from radiology.text_checks import text_decide
from tests.accounts.factories import AdminFactory
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, chest_pixels, dicom_bytes

Status = Analysis.Status
pytestmark = pytest.mark.django_db


def upload(content: bytes | None = None) -> ContentFile:
    return ContentFile(content or dicom_bytes(), name="image.dcm")


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def sent(broker):
    """``sent()``: the analyses handed to the (empty) broker since it was last asked."""

    def take() -> list[uuid.UUID]:
        return [uuid.UUID(message.payload[0][0]) for message in broker.take("inference")]

    return take


@pytest.mark.django_db(transaction=True)
def test_an_upload_becomes_a_queued_reading(sent):
    patient = PatientFactory()
    reading = reading_submit(patient=patient, uploaded_by=patient.owner, file=upload())
    assert sent() == [reading.analysis.pk]
    assert reading.created
    assert reading.analysis.status == Status.QUEUED
    assert reading.analysis.radiograph == reading.radiograph
    assert reading.analysis.is_current
    assert reading.radiograph.patient == patient


def test_the_same_file_again_gives_the_same_reading():
    patient, content = PatientFactory(), dicom_bytes()
    first = reading_submit(patient=patient, uploaded_by=patient.owner, file=upload(content))
    again = reading_submit(patient=patient, uploaded_by=patient.owner, file=upload(content))
    assert not again.created
    assert again.radiograph == first.radiograph
    assert again.analysis == first.analysis
    assert Analysis.objects.count() == Radiograph.objects.count() == 1


def test_a_refused_upload_leaves_nothing():
    patient = PatientFactory()
    with pytest.raises(PermanentError):
        reading_submit(patient=patient, uploaded_by=patient.owner, file=upload(b"not DICOM" * 99))
    assert not Analysis.objects.exists()
    assert not Radiograph.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker_state", ["dead_broker", "hanging_broker"])
def test_an_upload_hardly_waits_for_a_broker_without_answer(broker_state, request):
    request.getfixturevalue(broker_state)
    patient = PatientFactory()
    began = time.perf_counter()
    reading = reading_submit(patient=patient, uploaded_by=patient.owner, file=upload())
    assert time.perf_counter() - began < 4
    reading.analysis.refresh_from_db()
    assert reading.analysis.status == Status.QUEUED
    assert reading.analysis.sent_at is None, "the sweeper's next turn sends it"


def test_a_reading_is_done_with_map_and_preview(production):
    analysis = AnalysisFactory(queued=True)
    assert analysis_run(analysis_id=analysis.pk)
    analysis = Analysis.objects.select_related("radiograph").get(pk=analysis.pk)
    assert analysis.status == Status.DONE
    assert analysis.model_version == production
    assert analysis.label == max(LABELS, key=analysis.probabilities.get)
    assert sum(analysis.probabilities.values()) == pytest.approx(1)
    assert analysis.attempts == 1
    assert analysis.queued_at <= analysis.started_at <= analysis.finished_at
    assert set(analysis.timings) >= {"decode", "input", "network", "map", "preview", "total"}
    with analysis.map.open() as file, Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 256))
    with analysis.radiograph.preview.open() as file, Image.open(file) as preview:
        assert preview.format == "JPEG"
        assert preview.size == (analysis.radiograph.columns, analysis.radiograph.rows)
    analysis.full_clean(exclude=["radiograph"])


def test_burned_in_text_is_searched_once_and_told_of(production):
    """By the first reading: what an administrator then says of it is not asked again."""
    pixels = chest_pixels(1024, 896, bits_stored=8).copy()
    cv2.putText(pixels, "MARTIN JEANNE 1951-03-12", (30, 980), 0, 1.0, 255, 2, cv2.LINE_AA)
    patient = PatientFactory()
    file = io.BytesIO(dicom_bytes(pixels=pixels))
    reading = reading_submit(patient=patient, uploaded_by=patient.owner, file=file)
    radiograph = reading.radiograph

    assert analysis_run(analysis_id=reading.analysis.pk)
    radiograph.refresh_from_db()
    assert radiograph.text_state == "suspected"
    assert [entry["code"] for entry in radiograph.warnings] == ["burned_in_text_suspected"]
    assert any(left < 0.1 and top > 0.9 for left, top, _, _ in radiograph.warnings[0]["regions"])

    text_decide(radiograph=radiograph, by=AdminFactory(), identifying=False)
    again = analysis_request(radiograph=radiograph, requested_by=patient.owner)
    assert analysis_run(analysis_id=again.pk)
    radiograph.refresh_from_db()
    assert radiograph.text_state == "harmless"

    clean = AnalysisFactory(queued=True, radiograph__text_state="")
    assert analysis_run(analysis_id=clean.pk)
    clean.radiograph.refresh_from_db()
    assert (clean.radiograph.text_state, clean.radiograph.warnings) == ("not_found", [])


def test_a_search_that_fails_takes_nothing_from_the_reading(production, monkeypatch):
    monkeypatch.setattr(burned_in, "SIDE", None)
    analysis = AnalysisFactory(queued=True, radiograph__text_state="")
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.error_code) == (Status.DONE, "")
    assert analysis.radiograph.text_state == ""


def test_the_number_of_queries_of_a_reading_is_pinned(production):
    first, second = AnalysisFactory.create_batch(2, queued=True)
    analysis_run(analysis_id=first.pk)
    with CaptureQueriesContext(connection) as queries:
        analysis_run(analysis_id=second.pk)
    statements = [q["sql"].split()[0] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert statements == ["UPDATE", "SELECT", "UPDATE", "UPDATE"]


@pytest.mark.parametrize("state", ["running", "failed", None])
def test_a_message_for_a_row_that_is_not_queued_is_left(production, state):
    analysis = AnalysisFactory(**({state: True} if state else {}))
    before = Analysis.objects.filter(pk=analysis.pk).values().get()
    assert not analysis_run(analysis_id=analysis.pk, delivery_id="another")
    assert not analysis_run(analysis_id=analysis.pk, delivery_id="another", redelivered=True)
    assert Analysis.objects.filter(pk=analysis.pk).values().get() == before


def test_a_message_for_a_row_that_is_gone_is_left(production):
    assert not analysis_run(analysis_id="0190e3a0-0000-7000-8000-000000000000")


def test_the_same_message_redelivered_takes_over_at_once(production):
    analysis = AnalysisFactory(running=True, claimed_by="message-1")
    assert not analysis_run(analysis_id=analysis.pk, delivery_id="message-1"), "not redelivered"
    assert analysis_run(analysis_id=analysis.pk, delivery_id="message-1", redelivered=True)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.attempts) == (Status.DONE, 2)


def test_a_worker_that_lost_its_claim_writes_nothing(production):
    """The same message was given to a second worker while the first one still computes."""
    analysis = AnalysisFactory(queued=True)
    first = services._claim(analysis.pk, "message-1", redelivered=False)
    second = services._claim(analysis.pk, "message-1", redelivered=True)
    assert services._read(second)
    written = Analysis.objects.filter(pk=analysis.pk).values().get()
    assert not services._read(first)
    assert not services._fail(first, NoModelInProductionError())
    assert not services._retry_or_fail(first, NoModelInProductionError())
    assert Analysis.objects.filter(pk=analysis.pk).values().get() == written
    assert (written["status"], written["attempts"]) == (Status.DONE, 2)


def test_a_file_that_cannot_be_decoded_fails_at_once(production, english):
    broken = dicom_bytes(transfer_syntax="1.2.840.10008.1.2.4.50")
    start = broken.index(b"\xff\xd8")
    broken = broken[: start + 4] + b"\0" * (len(broken) - start - 4)
    radiograph = RadiographFactory(file=ContentFile(broken, name="image.dcm"))
    analysis = AnalysisFactory(queued=True, radiograph=radiograph)
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.attempts) == (Status.FAILED, 1)
    assert analysis.error_code
    assert analysis.error_code != "unexpected_error"
    assert "%(" not in analysis.error_sentence
    assert analysis.finished_at
    assert not analysis.label


def test_a_missing_file_is_retried_then_failed_with_its_code(production, settings):
    analysis = AnalysisFactory(queued=True)
    analysis.radiograph.file.storage.delete(analysis.radiograph.file.name)
    for attempt in range(1, settings.ANALYSIS_MAX_ATTEMPTS):
        assert not analysis_run(analysis_id=analysis.pk)
        analysis.refresh_from_db()
        assert (analysis.status, analysis.attempts) == (Status.QUEUED, attempt)
        assert analysis.sent_at is None, "the sweeper's next turn sends it"
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.error_code) == (Status.FAILED, "reading_storage_error")


def test_without_a_model_in_production_a_reading_waits_then_fails(settings):
    settings.ANALYSIS_MAX_ATTEMPTS = 1
    analysis = AnalysisFactory(queued=True)
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert analysis.error_code == "no_model_in_production"


def test_a_blank_image_is_refused_and_not_read(production):
    patient = PatientFactory()
    blank = dicom_bytes(pixels=np.zeros((256, 224), np.uint16), bits_stored=12)
    reading = reading_submit(patient=patient, uploaded_by=patient.owner, file=upload(blank))
    assert analysis_run(analysis_id=reading.analysis.pk)
    analysis = Analysis.objects.get(pk=reading.analysis.pk)
    assert (analysis.status, analysis.error_code) == (Status.FAILED, "blank_image")
    assert (analysis.label, analysis.p_lung_opacity, analysis.attempts) == ("", None, 1)


def test_damaged_weights_are_never_used(production, settings):
    settings.ANALYSIS_MAX_ATTEMPTS = 1
    weights = settings.MODEL_ROOT / production.directory / "model.tflite"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    analysis = AnalysisFactory(queued=True)
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.error_code) == (Status.FAILED, "model_unusable")


def test_a_row_whose_worker_died_in_every_attempt_fails(production, settings, english):
    analysis = AnalysisFactory(
        running=True, claimed_by="message-1", attempts=settings.ANALYSIS_MAX_ATTEMPTS
    )
    assert analysis_run(analysis_id=analysis.pk, delivery_id="message-1", redelivered=True)
    analysis.refresh_from_db()
    assert (analysis.status, analysis.error_code) == (Status.FAILED, "analysis_interrupted")
    assert str(settings.ANALYSIS_MAX_ATTEMPTS) in analysis.error_sentence


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_the_task_gives_its_message_back_when_the_database_is_gone(production, kind):
    analysis = AnalysisFactory(queued=True)

    def gone(execute, sql, params, many, context):
        raise kind("server has gone away")

    with connection.execute_wrapper(gone):
        outcome = tasks.analyse.apply([str(analysis.pk)])
    assert isinstance(outcome.result, Reject)
    assert outcome.result.requeue
    analysis.refresh_from_db()
    assert analysis.status == Status.QUEUED


# --- The sweeper ----------------------------------------------------------------------------


def test_the_sweeper_queues_again_what_ran_too_long(settings, sent):
    late = AnalysisFactory(running=True, started_at=ago(1.2 * settings.ANALYSIS_TIME_LIMIT))
    young = AnalysisFactory(running=True, started_at=ago(0.9 * settings.ANALYSIS_TIME_LIMIT))
    assert analyses_sweep() == {"failed": 0, "requeued": 1, "sent": 1}
    late.refresh_from_db()
    young.refresh_from_db()
    assert (late.status, late.claimed_by) == (Status.QUEUED, "")
    assert young.status == Status.RUNNING
    assert sent() == [late.pk]


def test_the_sweeper_fails_what_has_used_its_attempts(settings, sent, english):
    late = AnalysisFactory(
        running=True,
        attempts=settings.ANALYSIS_MAX_ATTEMPTS,
        started_at=ago(1.2 * settings.ANALYSIS_TIME_LIMIT),
    )
    assert analyses_sweep() == {"failed": 1, "requeued": 0, "sent": 0}
    late.refresh_from_db()
    assert (late.status, late.error_code) == (Status.FAILED, "analysis_interrupted")
    assert "3 times" in late.error_sentence
    assert late.finished_at


def test_the_sweeper_sends_again_what_was_not_taken(settings, sent):
    stale = AnalysisFactory(queued=True, sent_at=ago(settings.ANALYSIS_REQUEUE_AFTER + 1))
    never = AnalysisFactory(queued=True, sent_at=None)
    fresh = AnalysisFactory(queued=True)
    AnalysisFactory()
    analyses_sweep()
    assert set(sent()) == {stale.pk, never.pk}
    analyses_sweep()
    assert sent() == [], "sent a moment ago"
    fresh.refresh_from_db()
    assert fresh.status == Status.QUEUED


def test_the_sweeper_does_not_lengthen_a_queue_that_lost_nothing(settings, sent):
    rows = AnalysisFactory.create_batch(3, queued=True, sent_at=None)
    assert analyses_sweep()["sent"] == 3
    Analysis.objects.update(sent_at=ago(settings.ANALYSIS_REQUEUE_AFTER + 1))
    assert analyses_sweep()["sent"] == 0, "the broker holds a message for each"
    assert set(sent()) == {row.pk for row in rows}
    assert analyses_sweep()["sent"] == 3, "the broker lost them"


def test_the_sweeper_sends_what_has_no_message_whatever_else_the_broker_holds(sent, monkeypatch):
    """A busy worker's other messages lie in the same queue."""
    monkeypatch.setattr("inference.services._messages_waiting", lambda: 5)
    row = AnalysisFactory(queued=True, sent_at=None)
    assert analyses_sweep()["sent"] == 1
    assert sent() == [row.pk]


def test_the_sweeper_waits_while_the_broker_is_down(dead_broker):
    AnalysisFactory(queued=True, sent_at=None)
    assert analyses_sweep() == {"failed": 0, "requeued": 0, "sent": 0}


# --- Asking again ---------------------------------------------------------------------------


def test_a_new_analysis_becomes_the_current_one():
    old = AnalysisFactory()
    new = analysis_request(radiograph=old.radiograph, requested_by=old.requested_by)
    old.refresh_from_db()
    assert (old.is_current, old.status) == (None, Status.DONE)
    assert (new.is_current, new.status) == (True, Status.QUEUED)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_no_second_analysis_beside_an_unfinished_one(state):
    analysis = AnalysisFactory(**{state: True})
    with pytest.raises(AnalysisInProgressError):
        analysis_request(radiograph=analysis.radiograph, requested_by=analysis.requested_by)
    assert Analysis.objects.count() == 1


def test_a_failed_analysis_is_queued_again(production):
    analysis = AnalysisFactory(failed=True, attempts=3)
    analysis_requeue(analysis=analysis, requested_by=analysis.requested_by)
    assert (analysis.status, analysis.attempts, analysis.error_code) == (Status.QUEUED, 0, "")
    assert analysis_run(analysis_id=analysis.pk)
    analysis.refresh_from_db()
    assert analysis.status == Status.DONE


@pytest.mark.parametrize("traits", [{}, {"queued": True}, {"running": True}])
def test_only_a_failed_analysis_is_queued_again(traits):
    analysis = AnalysisFactory(**traits)
    with pytest.raises(AnalysisNotRetriableError):
        analysis_requeue(analysis=analysis, requested_by=analysis.requested_by)


def test_an_older_analysis_is_not_queued_again():
    analysis = AnalysisFactory(failed=True, is_current=None)
    with pytest.raises(AnalysisNotRetriableError):
        analysis_requeue(analysis=analysis, requested_by=analysis.requested_by)


def test_queue_status():
    assert queue_status() == {"queued": 0, "oldest_queued_seconds": None, "running": 0}
    AnalysisFactory(queued=True, queued_at=ago(30))
    AnalysisFactory(queued=True)
    AnalysisFactory(running=True)
    AnalysisFactory()
    status = queue_status()
    assert (status["queued"], status["running"]) == (2, 1)
    assert 29 < status["oldest_queued_seconds"] < 40


def test_another_version_gives_another_map_name():
    analysis = AnalysisFactory.build(model_version=ModelVersionFactory())
    first = analysis._meta.get_field("map").generate_filename(analysis, "")
    analysis.model_version = ModelVersionFactory()
    assert analysis._meta.get_field("map").generate_filename(analysis, "") != first


def test_every_error_has_a_sentence_that_its_parameters_fill(english):
    from inference import errors

    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, CodedError) and error.code:
            params = dict.fromkeys(re.findall(r"%\((\w+)\)", str(error.sentence)), 3)
            assert "%(" not in str(error(**params))
            assert 400 <= error.status < 600
