"""What came in piece by piece becomes readings, an archive part after part."""

import zlib

import pytest
from django.urls import reverse

from inference import sending
from patients.models import Patient
from radiology.models import Radiograph, Upload
from radiology.uploads import PIECE_BYTES, upload_append, upload_create
from tests.patients.factories import PatientFactory
from tests.radiology.archives import archive_bytes
from tests.radiology.factories import dicom_bytes

pytestmark = pytest.mark.django_db

NEW = reverse("inference:new")
NEW_PATIENT = {"patient": "new", "identifier": "IPP 9", "sex": "F", "birth_date": "1950-03-02"}


def came_in(owner, content: bytes) -> dict:
    upload = upload_create(owner=owner, size=len(content))
    for offset in range(0, len(content), PIECE_BYTES):
        upload_append(upload=upload, offset=offset, data=content[offset : offset + PIECE_BYTES])
    return {"upload": str(upload.pk), "checksum": zlib.crc32(content)}


def send(client, fields, accept: str = "application/json"):
    return client.post(NEW, fields, headers={"accept": accept})


def test_a_large_radiograph(doctor_client, doctor):
    content = dicom_bytes(rows=2000, columns=1500)
    assert len(content) > PIECE_BYTES
    fields = NEW_PATIENT | came_in(doctor, content)
    (result,) = send(doctor_client, fields).json()["results"]
    radiograph = Radiograph.objects.get()
    assert result["url"] == reverse("inference:reading", args=[radiograph.pk])
    assert radiograph.size == len(content)


def test_an_archive_goes_on_where_the_last_answer_ended(doctor_client, doctor, monkeypatch):
    monkeypatch.setattr(sending, "REQUEST_SECONDS", 0)
    patient = PatientFactory(owner=doctor)
    content = archive_bytes(("1", dicom_bytes()), ("x", b"x" * 200), ("2", dicom_bytes()))
    fields = {"patient": str(patient.pk)} | came_in(doctor, content)
    found, start = [], 0
    while start is not None:
        answer = send(doctor_client, fields | {"start": start}).json()
        found += [(result["name"], result["state"]) for result in answer["results"]]
        start = answer.get("next")
        assert len(found) == (start or 3)
    assert found == [("1", "accepted"), ("x", "skipped"), ("2", "accepted")]
    # The last answer was lost: asked again, it is the same reading.
    (again,) = send(doctor_client, fields | {"start": 2}).json()["results"]
    assert again["state"] == "duplicate"
    assert Radiograph.objects.count() == 2


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_what_is_not_whole_or_not_right_is_refused(doctor_client, doctor, accept):
    fields = NEW_PATIENT | came_in(doctor, dicom_bytes())
    assert send(doctor_client, fields | {"checksum": 1}, accept).status_code == 409
    unfinished = upload_create(owner=doctor, size=100)
    assert send(doctor_client, fields | {"upload": unfinished.pk}, accept).status_code == 409
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()


def test_what_is_anothers_is_not_there(doctor_client):
    patient = PatientFactory()
    fields = NEW_PATIENT | came_in(patient.owner, dicom_bytes())
    never = NEW_PATIENT | {"upload": "01890a5d-ac96-774b-bcce-b302099a8057", "checksum": 1}
    for asked in (fields, never):
        response = send(doctor_client, asked)
        assert response.status_code == 422
        assert response.json()["errors"]["upload"][0]["code"] == "unknown_upload"
    assert Upload.objects.count() == 1
    assert not Radiograph.objects.exists()


def test_a_new_patient_whose_answer_was_lost_is_not_refused_as_taken(doctor_client, doctor):
    content = dicom_bytes()
    first = send(doctor_client, NEW_PATIENT | came_in(doctor, content)).json()
    taken = send(doctor_client, NEW_PATIENT | came_in(doctor, content)).json()
    assert taken["errors"]["identifier"][0]["code"] == "patient_exists"
    again = send(doctor_client, NEW_PATIENT | came_in(doctor, content) | {"again": "on"}).json()
    assert again["patient"] == first["patient"]
    assert again["results"][0]["created"] is False
    # Somebody else of that identifier is not meant.
    other = NEW_PATIENT | {"sex": "M", "again": "on"} | came_in(doctor, content)
    assert send(doctor_client, other).status_code in (409, 422)
    assert Patient.objects.count() == Radiograph.objects.count() == 1
