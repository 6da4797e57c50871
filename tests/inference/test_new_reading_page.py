"""Sending radiographs: by the script (JSON), and by the form alone."""

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from inference.models import Analysis
from operations.models import AccessEvent
from patients.models import Patient
from radiology.models import Radiograph
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes

pytestmark = pytest.mark.django_db

NEW, INSPECT = reverse("inference:new"), reverse("inference:inspect")
NEW_PATIENT = {"patient": "new", "identifier": "IPP 9", "sex": "F", "birth_date": "1950-03-02"}
JSON = {"accept": "application/json"}


def upload(content: bytes | None = None, name: str = "image.dcm") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, dicom_bytes() if content is None else content)


def send(client, fields, *files, json: bool = True):
    headers = JSON if json else {"accept": "text/html"}
    return client.post(NEW, fields | {"files": list(files)}, headers=headers)


def reading_url(radiograph):
    return reverse("inference:reading", args=[radiograph.pk])


# --- The page ------------------------------------------------------------------------------


def test_the_first_day_asks_for_a_new_patient(doctor_client):
    page = doctor_client.get(NEW).text
    assert 'value="new" checked' in page
    assert "patient-search" not in page


def test_the_page_offers_recent_patients_and_a_chosen_one(doctor_client, doctor):
    patients = [PatientFactory(owner=doctor) for _ in range(7)]
    theirs = PatientFactory()
    page = doctor_client.get(NEW).text
    assert page.count('name="patient"') == 6
    assert " checked" not in page.replace("I have checked", "")
    oldest = patients[0]
    page = doctor_client.get(NEW, {"patient": oldest.pk.hex}).text
    assert f'value="{oldest.pk}"' in page.split(" checked>")[0]
    for key in (str(theirs.pk), "x"):
        page = doctor_client.get(NEW, {"patient": key}).text
        assert " checked" not in page.replace("I have checked", "")
        assert theirs.identifier not in page


def test_without_script_a_button_searches_and_nothing_typed_is_lost(doctor_client, doctor):
    for identifier in ("AB 1", "CD 2"):
        PatientFactory(owner=doctor, identifier=identifier)
    fields = NEW_PATIENT | {"action": "search", "q": "ab", "acquired_on": "2024-01-02"}
    response = doctor_client.post(NEW, fields)
    assert response.status_code == 200
    assert "AB 1" in response.text
    assert "CD 2" not in response.text
    assert 'value="IPP 9"' in response.text
    assert 'value="2024-01-02"' in response.text
    assert not Radiograph.objects.exists()


# --- One file ------------------------------------------------------------------------------


def test_a_new_patient_and_a_file_become_a_reading(doctor_client, doctor):
    response = send(doctor_client, NEW_PATIENT, upload())
    radiograph = Radiograph.objects.get()
    patient = Patient.objects.get()
    assert response.status_code == 200
    assert response.json() == {
        "patient": str(patient.pk),
        "results": [
            {
                "url": reading_url(radiograph),
                "result_url": reverse("inference:result", args=[radiograph.pk]),
                "created": True,
                "warnings": [],
            }
        ],
    }
    assert (patient.owner, patient.identifier) == (doctor, "IPP 9")
    assert (radiograph.patient, radiograph.acquired_on) == (patient, dt.date(2024, 1, 15))
    assert Analysis.objects.get().status == "queued"


def test_without_script_one_file_leads_to_its_reading(doctor_client, doctor):
    patient = PatientFactory(owner=doctor)
    response = send(doctor_client, {"patient": str(patient.pk)}, upload(), json=False)
    assert response.url == reading_url(Radiograph.objects.get())
    assert doctor_client.get(response.url).status_code == 200


def test_a_refused_file_leaves_no_patient_behind(doctor_client):
    response = send(doctor_client, NEW_PATIENT, upload(b"no DICOM at all" * 20))
    error = response.json()["results"][0]["error"]
    assert 400 <= response.status_code < 500
    assert error["code"]
    assert error["sentence"]
    assert response.json()["patient"] is None
    assert not Patient.objects.exists()
    assert not AccessEvent.objects.exists()


def test_without_script_a_refused_file_says_why_and_keeps_what_was_typed(doctor_client):
    response = send(doctor_client, NEW_PATIENT, upload(b""), json=False)
    assert 400 <= response.status_code < 500
    assert 'value="IPP 9"' in response.text
    assert response.context["form"].errors["files"]
    assert not Patient.objects.exists()


def test_the_same_file_again_leads_to_the_reading_there_is(doctor_client, doctor):
    patient, content = PatientFactory(owner=doctor), dicom_bytes()
    fields = {"patient": str(patient.pk)}
    first = send(doctor_client, fields, upload(content)).json()["results"][0]
    again = send(doctor_client, fields, upload(content)).json()["results"][0]
    assert (first["created"], again["created"]) == (True, False)
    assert again["url"] == first["url"] + "?known=1"
    page = send(doctor_client, fields, upload(content), json=False)
    assert page.url == first["url"] + "?known=1"
    assert "sent this radiograph before" in doctor_client.get(page.url).text
    assert "date that you typed" not in doctor_client.get(page.url).text
    assert Radiograph.objects.count() == Analysis.objects.count() == 1


def test_anothers_radiograph_of_my_own_makes_no_new_patient(doctor_client, doctor):
    patient, content = PatientFactory(owner=doctor), dicom_bytes()
    send(doctor_client, {"patient": str(patient.pk)}, upload(content))
    response = send(doctor_client, NEW_PATIENT, upload(content))
    assert response.status_code == 409
    assert response.json()["results"][0]["error"]["code"] == "radiograph_of_another_patient"
    assert Patient.objects.get() == patient


def test_a_header_that_disagrees_is_said_and_never_obeyed(doctor_client):
    content = dicom_bytes(PatientSex="M", PatientBirthDate="19600101")
    fields = NEW_PATIENT | {"acquired_on": "2023-05-05"}
    refused = send(doctor_client, fields, upload(content))
    assert refused.status_code == 422
    (result,) = refused.json()["results"]
    assert result["error"]["code"] == "patient_mismatch"
    assert len(result["warnings"]) == 2
    assert "1 Jan 1960" in result["warnings"][0]
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()
    page = send(doctor_client, fields, upload(content), json=False).text
    assert "1 Jan 1960" in page
    assert "data-confirm-mismatch>" in page, "shown, to be ticked"
    assert "data-confirm-mismatch hidden>" in doctor_client.get(NEW).text
    fields["confirm_mismatch"] = "on"
    result = send(doctor_client, fields, upload(content)).json()["results"][0]
    assert len(result["warnings"]) == 3
    patient, radiograph = Patient.objects.get(), Radiograph.objects.get()
    assert (patient.sex, patient.birth_date) == ("F", dt.date(1950, 3, 2))
    assert radiograph.acquired_on == dt.date(2023, 5, 5)


# --- Several files -------------------------------------------------------------------------


def test_a_date_typed_for_a_known_radiograph_is_not_ignored_in_silence(doctor_client, doctor):
    patient, content = PatientFactory(owner=doctor), dicom_bytes()
    fields = {"patient": str(patient.pk), "acquired_on": "2024-01-15"}
    assert send(doctor_client, fields, upload(content)).json()["results"][0]["warnings"] == []
    same = send(doctor_client, fields, upload(content)).json()["results"][0]
    assert (same["warnings"], same["url"][-7:]) == ([], "known=1")
    fields["acquired_on"] = "2024-02-01"
    other = send(doctor_client, fields, upload(content)).json()["results"][0]
    assert "stored with the date 15 Jan 2024" in other["warnings"][0]
    assert "the date that you typed was not used" in doctor_client.get(other["url"]).text
    page = send(doctor_client, fields, upload(content), upload(content), json=False)
    assert page.text.count("stored with the date 15 Jan 2024") == 2
    assert Radiograph.objects.get().acquired_on == dt.date(2024, 1, 15)


def test_each_file_has_its_own_result_and_its_own_date(doctor_client, doctor):
    content = dicom_bytes(StudyDate="20200101", AcquisitionDate="20200101")
    files = [upload(b"rubbish" * 50, "a.dcm"), upload(content), upload(), upload(content)]
    response = send(doctor_client, NEW_PATIENT, *files)
    assert response.status_code == 200
    first, *accepted = response.json()["results"]
    assert first["error"]["code"]
    assert [result["created"] for result in accepted] == [True, True, False]
    patient = Patient.objects.get()
    days = Radiograph.objects.filter(patient=patient).values_list("acquired_on", flat=True)
    assert sorted(days) == [dt.date(2020, 1, 1), dt.date(2024, 1, 15)]


def test_without_script_each_file_has_a_line(doctor_client):
    files = [upload(b"rubbish" * 50, "broken.dcm"), upload(name="good.dcm")]
    response = send(doctor_client, NEW_PATIENT, *files, json=False)
    assert response.status_code == 200
    assert "broken.dcm" in response.text
    radiograph = Radiograph.objects.get()
    assert reading_url(radiograph) in response.text
    assert f"{reverse('inference:result', args=[radiograph.pk])}?shown=queued" in response.text
    refused = send(doctor_client, NEW_PATIENT | {"identifier": "X"}, *files[:1] * 2, json=False)
    assert 400 <= refused.status_code < 500


# --- What is wrong with the form -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"patient": ""}, "patient"),
        ({"patient": "rubbish"}, "patient"),
        ({"identifier": ""}, "identifier"),
        ({"identifier": "<>"}, "identifier"),
        ({"sex": "?"}, "sex"),
        ({"birth_date": "2990-01-01"}, "birth_date"),
        ({"birth_date": ""}, "birth_date"),
        ({"acquired_on": "yesterday"}, "acquired_on"),
    ],
)
@pytest.mark.parametrize("json", [True, False])
def test_a_wrong_field_is_named_and_nothing_is_stored(doctor_client, changes, field, json):
    response = send(doctor_client, NEW_PATIENT | changes, upload(), json=json)
    assert response.status_code == 422
    if json:
        (error,) = response.json()["errors"][field]
        assert error["message"]
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()


@pytest.mark.parametrize("json", [True, False])
def test_no_file_is_a_mistake_too(doctor_client, json):
    response = send(doctor_client, NEW_PATIENT, json=json)
    assert response.status_code == 422
    assert not Patient.objects.exists()


def test_a_taken_identifier_is_said_beside_it(doctor_client, doctor):
    PatientFactory(owner=doctor, identifier="IPP 9")
    response = send(doctor_client, NEW_PATIENT, upload())
    assert response.json()["errors"]["identifier"][0]["code"] == "patient_exists"
    assert not Radiograph.objects.exists()


def test_anothers_patient_cannot_be_given_a_radiograph(doctor_client):
    theirs = PatientFactory()
    response = send(doctor_client, {"patient": str(theirs.pk)}, upload())
    assert response.status_code == 422
    assert not Radiograph.objects.exists()


# --- Looking into a chosen file --------------------------------------------------------------


def test_the_first_bytes_are_enough_to_look_into_a_file(doctor_client):
    content = dicom_bytes(rows=1024, columns=1024, PatientSex="F")
    head = SimpleUploadedFile("head", content[: 256 * 1024])
    response = doctor_client.post(INSPECT, {"head": head})
    assert response.status_code == 200
    assert response.json()["fields"]["sex"]["value"] == "F"
    assert not Radiograph.objects.exists()


def test_a_file_that_will_be_refused_is_known_early(doctor_client):
    head = SimpleUploadedFile("head", b"%PDF-1.7" * 100)
    response = doctor_client.post(INSPECT, {"head": head})
    assert 400 <= response.status_code < 500
    assert response.json()["error"]["code"]
    assert response.json()["error"]["sentence"]


def test_looking_takes_no_more_than_the_first_bytes(doctor_client):
    too_much = SimpleUploadedFile("head", b"0" * (256 * 1024 + 1))
    for data in ({"head": too_much}, {}):
        response = doctor_client.post(INSPECT, data)
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "file_head_invalid"
    assert doctor_client.get(INSPECT).status_code == 405


def test_looking_stores_and_asks_nothing_of_patients(
    doctor_client, doctor, django_assert_num_queries
):
    head = SimpleUploadedFile("head", dicom_bytes()[:200_000])
    with django_assert_num_queries(2):  # session, doctor
        doctor_client.post(INSPECT, {"head": head})
