"""The files of a radiograph: to its doctor alone, recorded, kept by that browser alone."""

import io
import uuid

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from pydicom import dcmread

from operations.models import AccessEvent
from radiology.dicom.render import encode_preview, render
from radiology.services import radiograph_stored
from tests.patients.factories import PatientFactory

from .factories import dicom_bytes

pytestmark = pytest.mark.django_db
NAMES = ["radiology:preview", "radiology:dicom"]


# ``getvalue()`` also ends a streamed response, as a server does; without it the file stays open.


@pytest.fixture
def radiograph(doctor):
    """Received and rendered, as after a reading."""
    patient = PatientFactory(owner=doctor)
    content = dicom_bytes()
    with radiograph_stored(patient=patient, uploaded_by=doctor, file=io.BytesIO(content)) as (
        radiograph,
        _created,
    ):
        pass
    radiograph.preview.save("", ContentFile(encode_preview(render(io.BytesIO(content)))))
    return radiograph


def url(name: str, radiograph) -> str:
    return reverse(name, args=[radiograph.pk])


def test_addresses_hold_the_key_alone(radiograph):
    assert url("radiology:preview", radiograph) == f"/radiographs/{radiograph.pk}/preview.jpg"
    assert url("radiology:dicom", radiograph) == f"/radiographs/{radiograph.pk}/image.dcm"


def test_the_preview_is_a_jpeg_for_this_browser_alone(doctor_client, radiograph):
    response = doctor_client.get(url("radiology:preview", radiograph))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.getvalue()[:3] == b"\xff\xd8\xff"


def test_the_dicom_file_is_saved_under_the_key(doctor_client, radiograph):
    response = doctor_client.get(url("radiology:dicom", radiograph))
    assert response["Content-Type"] == "application/dicom"
    assert response["Content-Disposition"] == f'attachment; filename="{radiograph.pk}.dcm"'
    assert response["Cache-Control"] == "private, no-cache"
    dataset = dcmread(io.BytesIO(response.getvalue()))
    assert dataset.SOPInstanceUID == radiograph.sop_instance_uid
    assert dataset.PatientIdentityRemoved == "YES"


@pytest.mark.parametrize("name", NAMES)
def test_what_the_browser_has_is_not_sent_again(doctor_client, radiograph, name):
    first = doctor_client.get(url(name, radiograph))
    assert first["ETag"].startswith('"')
    again = doctor_client.get(url(name, radiograph), headers={"if-none-match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again["Cache-Control"] == "private, no-cache"
    other = doctor_client.get(url(name, radiograph), headers={"if-none-match": '"other"'})
    assert other.status_code == 200
    first.getvalue()
    other.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_others_find_nothing_even_with_the_right_etag(
    other_doctor_client, doctor_client, radiograph, name
):
    response = doctor_client.get(url(name, radiograph))
    response.getvalue()
    etag = response["ETag"]
    for headers in ({}, {"if-none-match": etag}):
        response = other_doctor_client.get(url(name, radiograph), headers=headers)
        assert response.status_code == 404
        assert "ETag" not in response


@pytest.mark.parametrize("name", NAMES)
def test_visitors_and_waiting_doctors_are_sent_away(
    client, pending_doctor_client, admin_client, radiograph, name
):
    assert client.get(url(name, radiograph)).url.startswith(reverse("account_login"))
    assert pending_doctor_client.get(url(name, radiograph)).status_code == 302
    assert admin_client.get(url(name, radiograph)).status_code == 302


@pytest.mark.parametrize("name", NAMES)
def test_each_look_is_recorded(doctor_client, doctor, radiograph, name):
    doctor_client.get(url(name, radiograph)).getvalue()
    event = AccessEvent.objects.get(action="read", object_id=str(radiograph.pk))
    assert event.actor == doctor
    assert event.route == name


@pytest.mark.parametrize("name", NAMES)
def test_only_reading_is_possible(doctor_client, radiograph, name):
    assert doctor_client.post(url(name, radiograph)).status_code == 405
    head = doctor_client.head(url(name, radiograph))
    assert (head.status_code, head.getvalue()) == (200, b"")
    assert doctor_client.get(reverse(name, args=[uuid.uuid4()])).status_code == 404


def test_a_file_that_is_not_there_is_not_found(doctor_client, radiograph):
    radiograph.preview.delete()
    assert doctor_client.get(url("radiology:preview", radiograph)).status_code == 404
    radiograph.file.storage.delete(radiograph.file.name)
    assert doctor_client.get(url("radiology:dicom", radiograph)).status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_a_storage_that_fails_is_said_and_logged(
    doctor_client, radiograph, name, fail_storage, caplog
):
    fail_storage()
    response = doctor_client.get(url(name, radiograph))
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "<h1>Not available at the moment</h1>" in response.text
    assert "The storage of files does not answer" in response.text
    assert "<code>storage_unavailable</code>" in response.text
    assert "storage_unavailable" in caplog.text
    assert not AccessEvent.objects.filter(action="read").exists(), "nothing was seen"


@pytest.mark.parametrize("name", NAMES)
def test_how_many_queries_a_file_takes(doctor_client, radiograph, name, django_assert_num_queries):
    doctor_client.get(url(name, radiograph)).getvalue()
    # Session, doctor, radiograph; the look itself was recorded before.
    with django_assert_num_queries(3):
        doctor_client.get(url(name, radiograph)).getvalue()
