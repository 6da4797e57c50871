"""Radiographs over REST: sent, awaited, listed, fetched; nothing lost, nothing double."""

import datetime as dt
import threading
import time
from contextlib import suppress

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.utils import timezone

from inference.models import Analysis, Label
from operations.models import AccessEvent
from patients.models import Patient
from radiology.models import Radiograph
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, dicom_bytes

from .problems import assert_problem

LIST = "/api/v1/radiographs/"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
PERSON = {"patient_identifier": "IPP-77", "birth_date": "1961-05-04", "sex": "F"}

pytestmark = pytest.mark.django_db


def send(api, content: bytes | None = None, **values):
    file = SimpleUploadedFile("x.dcm", dicom_bytes() if content is None else content)
    return api.post(LIST, values | {"file": file}, format="multipart")


def address(radiograph_pk) -> str:
    return f"{LIST}{radiograph_pk}/"


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_send_for_a_patient(api, doctor):
    patient = PatientFactory(owner=doctor)
    response = send(api, patient=patient.pk, acquired_on="2024-01-14")
    assert response.status_code == 202, response.content
    radiograph = Radiograph.objects.get()
    assert response["Location"] == f"http://testserver{address(radiograph.pk)}"
    body = response.json()
    assert body["status"] == "queued"
    assert body["error"] is None
    assert body["analysis"]["id"] == str(Analysis.objects.get().pk)
    assert body["analysis"]["label"] is None
    assert body["analysis"]["probabilities"] is None
    assert body["analysis"]["map"] is None
    assert body["preview"] is None
    assert body["acquired_on"] == "2024-01-14"
    assert [entry["code"] for entry in body["warnings"]] == ["acquired_on_mismatch"]
    assert body["warnings"][0]["detail"]
    assert body["patient"]["id"] == str(patient.pk)
    assert body["header"]["modality"] == "CR"
    assert (body["header"]["rows"], body["header"]["columns"]) == (256, 224)
    assert api.get(response["Location"]).json() == body


def test_a_full_upload_folder_passes_and_nothing_is_written(api, small_disk):
    response = send(api, dicom_bytes(rows=1300, columns=1200), **PERSON)
    assert_problem(response, 503, "storage_unavailable")
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()


def test_a_file_of_somebody_else_needs_a_word(api, doctor):
    content = dicom_bytes(PatientBirthDate="19500102", PatientSex="M")
    person = PERSON | {"sex": "F"}
    refused = send(api, content, **person)
    named = {"birth_date": "birth_date_mismatch", "sex": "sex_mismatch"}
    assert_problem(refused, 422, "patient_mismatch", **named)
    # In what, but no value: an answer that says something went wrong may end in a log.
    assert "1950" not in refused.content.decode()
    assert not Radiograph.objects.exists()
    assert not Patient.objects.exists()
    response = send(api, content, **person, confirm_mismatch="true")
    assert response.status_code == 202
    codes = {entry["code"] for entry in response.json()["warnings"]}
    assert codes == {"birth_date_mismatch", "sex_mismatch"}


def test_send_for_a_new_patient_and_again_for_the_same(api, doctor):
    assert send(api, **PERSON).status_code == 202
    patient = Patient.objects.get()
    assert (patient.owner, patient.identifier, patient.sex) == (doctor, "IPP-77", "F")
    assert patient.birth_date == dt.date(1961, 5, 4)
    assert send(api, **PERSON | {"patient_identifier": "ipp-77"}).status_code == 202
    assert Patient.objects.count() == 1
    assert Radiograph.objects.count() == Analysis.objects.count() == 2


def test_the_same_file_again_is_shown_and_not_doubled(api):
    content = dicom_bytes()
    first = send(api, content, **PERSON)
    again = send(api, content, **PERSON)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again["Location"] == first["Location"]
    assert again.json()["id"] == first.json()["id"]
    assert Radiograph.objects.count() == Analysis.objects.count() == 1


@pytest.mark.parametrize("change", [{"birth_date": "1961-05-05"}, {"sex": "M"}])
def test_a_known_patient_with_other_values_is_a_conflict(api, doctor, change):
    patient = PatientFactory(
        owner=doctor, identifier="IPP-77", sex="F", birth_date=dt.date(1961, 5, 4)
    )
    assert_problem(send(api, **PERSON | change), 409, "patient_conflict")
    patient.refresh_from_db()
    assert (patient.sex, patient.birth_date) == ("F", dt.date(1961, 5, 4))
    assert not Radiograph.objects.exists()


def test_two_doctors_have_the_same_identifier_for_different_people(api, other_api):
    assert send(api, **PERSON).status_code == 202
    assert send(other_api, **PERSON | {"sex": "M"}).status_code == 202
    assert Patient.objects.count() == 2


def test_an_image_of_another_of_the_doctors_patients_is_a_conflict(api):
    content = dicom_bytes()
    send(api, content, **PERSON)
    response = send(api, content, **PERSON | {"patient_identifier": "IPP-78"})
    assert_problem(response, 409, "radiograph_of_another_patient")
    assert Patient.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"%PDF-1.7 not a radiograph" * 100, 400, "not_dicom"),
        (dicom_bytes(SOPClassUID="1.2.840.10008.5.1.4.1.1.4"), 400, "wrong_sop_class"),
        (dicom_bytes()[:30_000], 400, "truncated"),
        (dicom_bytes(PixelData=None), 400, "no_pixels"),
        (dicom_bytes(StudyDate=None, AcquisitionDate=None), 400, "acquired_on_missing"),
    ],
)
def test_a_refused_file_leaves_nothing(api, content, status, code):
    response = send(api, content, **PERSON)

    assert_problem(response, status, code)
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()
    assert not Analysis.objects.exists()
    assert not AccessEvent.objects.exists()


def test_a_new_patients_impossible_birth_date_leaves_nothing(api):
    future = (timezone.localdate() + dt.timedelta(days=2)).isoformat()
    assert_problem(send(api, **PERSON | {"birth_date": future}), 400, "birth_date_in_future")
    born_later = send(api, **PERSON | {"birth_date": "2024-02-01"})
    assert_problem(born_later, 400, "birth_date_after_acquisition")
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({}, dict.fromkeys(PERSON, "required")),
        ({"sex": "F"}, {"patient_identifier": "required", "birth_date": "required"}),
        (PERSON | {"sex": "X"}, {"sex": "invalid_choice"}),
        (PERSON | {"acquired_on": "14.1.2024"}, {"acquired_on": "invalid"}),
        (PERSON | {"aquired_on": "2024-01-14"}, {"aquired_on": "unknown"}),
        ({"patient": "7"}, {"patient": "invalid"}),
        (PERSON | {"patient_identifier": "<>"}, {"patient_identifier": "invalid"}),
        (PERSON | {"sex": ["F", "M"]}, {"sex": "invalid"}),
    ],
)
def test_wrong_values_are_named_by_field(api, values, errors):
    assert_problem(send(api, **values), 400, "invalid", **errors)
    assert not Patient.objects.exists()


def test_patient_and_person_together_are_ambiguous(api, doctor):
    values = PERSON | {"patient": PatientFactory(owner=doctor).pk}
    assert_problem(send(api, **values), 400, "invalid", **dict.fromkeys(PERSON, "invalid"))


def test_the_file_itself_must_be_there(api):
    response = api.post(LIST, PERSON, format="multipart")
    assert_problem(response, 400, "invalid", file="required")
    response = api.post(LIST, PERSON | {"file": "text"}, format="multipart")
    assert_problem(response, 400, "invalid", file="invalid")
    assert_problem(api.post(LIST, PERSON), 415, "unsupported_media_type")


def test_another_doctors_patient_can_not_be_named(api, other_doctor):
    theirs = PatientFactory(owner=other_doctor)
    answers = [send(api, patient=key) for key in (theirs.pk, NOBODY)]
    assert_problem(answers[0], 404, "not_found")
    assert answers[0].content == answers[1].content
    assert not Radiograph.objects.exists()


def test_too_large_is_refused_before_it_is_read(api, settings, rf):
    settings.RADIOGRAPH_MAX_BYTES = 1024 * 1024
    beyond = b"\0" * (settings.RADIOGRAPH_MAX_BYTES + 100_000)
    assert_problem(send(api, beyond, **PERSON), 413, "too_large")
    just = b"\0" * (settings.RADIOGRAPH_MAX_BYTES + 1)
    assert_problem(send(api, just, **PERSON), 413, "too_large")
    # By the declared length alone: no byte of it follows.
    response = api.generic(
        "POST", LIST, b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH="9" * 12
    )
    assert_problem(response, 413, "too_large")


def test_a_finished_reading(api, doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    analysis.map.save("map.png", ContentFile(b"\x89PNG"))
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    body = api.get(address(analysis.radiograph_id)).json()
    assert body["status"] == "done"
    reading = body["analysis"]
    assert reading["label"] == "lung_opacity"
    assert reading["certainty"] == "high"
    assert reading["probabilities"] == {"normal": 0.05, "lung_opacity": 0.85, "not_normal": 0.1}
    assert reading["model"] == {
        "id": str(analysis.model_version_id),
        "name": analysis.model_version.name,
        "version": analysis.model_version.version,
    }
    assert reading["timings"]["network"] == 3.0
    preview, image, dicom = (
        api.get(body["preview"]),
        api.get(reading["map"]),
        api.get(body["dicom"]),
    )
    assert (preview["Content-Type"], preview.getvalue()) == ("image/jpeg", b"\xff\xd8\xff")
    assert (image["Content-Type"], image.getvalue()) == ("image/png", b"\x89PNG")
    assert dicom["Content-Type"] == "application/dicom"
    assert dicom.getvalue()[128:132] == b"DICM"
    for response in (preview, image, dicom):
        assert "private" in response["Cache-Control"]


def test_files_that_are_not_there_yet(api, doctor):
    analysis = AnalysisFactory(queued=True, radiograph__patient__owner=doctor)
    assert_problem(api.get(f"{address(analysis.radiograph_id)}preview/"), 404, "not_ready")
    assert_problem(api.get(f"/api/v1/analyses/{analysis.pk}/map/"), 404, "not_ready")


def test_files_that_the_storage_does_not_give(api, doctor, fail_storage):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    fail_storage()
    for name in ("preview", "dicom"):
        response = api.get(f"{address(analysis.radiograph_id)}{name}/")
        assert_problem(response, 503, "storage_unavailable")


def test_a_failed_reading_says_why_in_the_language_asked_for(api, api_for, doctor):
    analysis = AnalysisFactory(failed=True, radiograph__patient__owner=doctor)
    body = api.get(address(analysis.radiograph_id)).json()
    assert body["status"] == "failed"
    assert body["error"]["code"] == "undecodable"
    assert body["error"] == body["analysis"]["error"]
    assert body["error"]["detail"].startswith("The image in the file can't be decoded")


def test_another_doctors_radiograph_looks_like_none(api, other_doctor):
    theirs = AnalysisFactory(radiograph__patient__owner=other_doctor).radiograph
    for tail in ("", "preview/", "dicom/", "?wait=10"):
        answers = [api.get(f"{address(key)}{tail}") for key in (theirs.pk, NOBODY)]
        assert_problem(answers[0], 404, "not_found")
        assert answers[0].content == answers[1].content
    assert ids(api.get(LIST)) == []
    for name, key in (("patient", theirs.patient_id), ("patient", NOBODY)):
        assert_problem(api.get(LIST, {name: key}), 404, "not_found")
    events = AccessEvent.objects.filter(object_id=str(theirs.pk))
    assert set(events.values_list("action", flat=True)) <= {"refused"}


def test_filters(api, doctor):
    first = AnalysisFactory(
        radiograph__patient__owner=doctor, radiograph__acquired_on=dt.date(2020, 2, 29)
    )
    second = AnalysisFactory(
        radiograph=RadiographFactory(patient__owner=doctor, acquired_on=dt.date(2021, 1, 1)),
        label=Label.NORMAL,
        certainty="low",
    )
    third = AnalysisFactory(
        queued=True,
        radiograph=RadiographFactory(
            patient=second.radiograph.patient, acquired_on=dt.date(2022, 1, 1)
        ),
    )
    # An analysis that was replaced decides nothing.
    AnalysisFactory(radiograph=first.radiograph, is_current=None, label=Label.NOT_NORMAL)
    expected = {
        "": [third, second, first],
        f"patient={second.radiograph.patient_id}": [third, second],
        "label=normal": [second],
        "label=not_normal": [],
        "status=queued": [third],
        "status=done&certainty=low": [second],
        "acquired_from=2021-01-01": [third, second],
        "acquired_to=2020-12-31": [first],
        "acquired_from=2020-02-29&acquired_to=2020-02-29": [first],
    }
    for query, analyses in expected.items():
        found = ids(api.get(f"{LIST}?{query}"))
        wanted = sorted((str(a.radiograph_id) for a in analyses), reverse=True)
        assert found == wanted, query


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("label=pneumonia", {"label": "invalid_choice"}),
        ("patient=7", {"patient": "invalid"}),
        ("acquired_from=01/02/2020", {"acquired_from": "invalid"}),
        ("acquired_on=2020-01-01", {"acquired_on": "unknown"}),
    ],
)
def test_a_wrong_filter_is_never_overlooked(api, query, errors):
    assert_problem(api.get(f"{LIST}?{query}"), 400, "invalid", **errors)


def test_the_list_costs_the_same_for_any_number(api, doctor, django_assert_num_queries):
    AnalysisFactory(radiograph__patient__owner=doctor)
    # Token, keys, page, its patients and versions, access.
    with django_assert_num_queries(6):
        assert len(ids(api.get(LIST))) == 1
    for _ in range(4):
        AnalysisFactory(radiograph__patient__owner=doctor)
    with django_assert_num_queries(5):  # the same access is recorded once
        assert len(ids(api.get(LIST))) == 5


def test_one_radiograph_costs_one_query_beside_the_token(api, doctor, django_assert_num_queries):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    with django_assert_num_queries(3):
        api.get(address(analysis.radiograph_id))


def test_reads_are_recorded(api, doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    api.get(address(analysis.radiograph_id))
    api.get(LIST)
    events = AccessEvent.objects.filter(actor=doctor, action="read")
    assert set(events.values_list("object_type", "object_id")) == {
        ("radiology.radiograph", str(analysis.radiograph_id)),
        ("radiology.radiograph", "list"),
    }


@pytest.mark.parametrize("wait", ["-1", "11", "1.5", "ten", "", "٣"])
def test_a_wait_that_is_no_small_number(api, doctor, wait):
    analysis = AnalysisFactory(queued=True, radiograph__patient__owner=doctor)
    response = api.get(address(analysis.radiograph_id), {"wait": wait})
    assert_problem(response, 400, "invalid", wait="invalid")


def test_waiting_for_what_is_finished_takes_no_time(api, doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    began = time.monotonic()
    assert api.get(address(analysis.radiograph_id), {"wait": 10}).json()["status"] == "done"
    assert time.monotonic() - began < 2


def test_waiting_ends_in_time_without_a_result(api, doctor):
    analysis = AnalysisFactory(queued=True, radiograph__patient__owner=doctor)
    began = time.monotonic()
    body = api.get(address(analysis.radiograph_id), {"wait": 1}).json()
    assert body["status"] == "queued"
    assert 0.9 < time.monotonic() - began < 5


@pytest.mark.django_db(transaction=True)
def test_waiting_answers_as_soon_as_another_process_has_the_result(api, doctor):
    analysis = AnalysisFactory(running=True, radiograph__patient__owner=doctor)

    def work():
        time.sleep(0.5)
        Analysis.objects.filter(pk=analysis.pk).update(
            status="failed", error_code="undecodable", finished_at=timezone.now()
        )
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    began = time.monotonic()
    body = api.get(address(analysis.radiograph_id), {"wait": 10}).json()
    worker.join()
    assert body["status"] == "failed"
    assert 0.3 < time.monotonic() - began < 5


def finish(**changes):
    """Another process finishes the first analysis that comes."""

    def work():
        end = time.monotonic() + 10
        while time.monotonic() < end:
            # SQLite in memory locks whole tables.
            with suppress(OperationalError):
                if Analysis.objects.update(finished_at=timezone.now(), **changes):
                    break
            time.sleep(0.02)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    return worker


@pytest.mark.django_db(transaction=True)
def test_sending_and_waiting_gives_the_reading_in_one_answer(api):
    content = dicom_bytes()
    worker = finish(status="failed", error_code="undecodable")
    file = SimpleUploadedFile("x.dcm", content)
    response = api.post(f"{LIST}?wait=10", PERSON | {"file": file}, format="multipart")
    worker.join()
    assert response.status_code == 201, response.content
    assert response.json()["status"] == "failed"
    assert api.get(response["Location"]).json() == response.json()
    file = SimpleUploadedFile("x.dcm", content)
    again = api.post(f"{LIST}?wait=10", PERSON | {"file": file}, format="multipart")
    assert (again.status_code, again.json()) == (200, response.json())


def test_sending_and_waiting_in_vain_is_accepted(api):
    file = SimpleUploadedFile("x.dcm", dicom_bytes())
    response = api.post(f"{LIST}?wait=1", PERSON | {"file": file}, format="multipart")
    assert response.status_code == 202
    assert response.json()["status"] == "queued"


def test_sending_with_a_wait_that_is_no_small_number_keeps_nothing(api):
    file = SimpleUploadedFile("x.dcm", dicom_bytes())
    response = api.post(f"{LIST}?wait=11", PERSON | {"file": file}, format="multipart")
    assert_problem(response, 400, "invalid", wait="invalid")
    assert not Radiograph.objects.exists()


def test_showing_what_was_sent_before_is_a_read(api, doctor):
    content = dicom_bytes()
    send(api, content, **PERSON)
    assert not AccessEvent.objects.filter(action="read").exists()
    send(api, content, **PERSON)
    event = AccessEvent.objects.get(action="read")
    assert (event.actor, event.object_id) == (doctor, str(Radiograph.objects.get().pk))
