"""A ZIP sent on the page: each file in it is taken as if it were sent by itself."""

import gc
import io
import tracemalloc
import warnings
import zipfile

import pydicom
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pydicom.fileset import FileSet

from inference.models import Analysis
from patients.models import Patient
from radiology.models import Radiograph
from tests.patients.factories import PatientFactory
from tests.radiology.archives import archive_bytes, encrypted
from tests.radiology.factories import dicom_bytes

pytestmark = pytest.mark.django_db

NEW = reverse("inference:new")
NEW_PATIENT = {"patient": "new", "identifier": "IPP 9", "sex": "F", "birth_date": "1950-03-02"}


def send(client, fields, *contents, accept: str = "application/json"):
    files = [SimpleUploadedFile(f"{n}.zip", content) for n, content in enumerate(contents)]
    return client.post(NEW, fields | {"files": files}, headers={"accept": accept})


def states(response) -> list[tuple[str, str, str]]:
    return [
        (result["name"], result["state"], result.get("error", {}).get("code", ""))
        for result in response.json()["results"]
    ]


def test_each_file_of_an_archive_has_a_result(doctor_client):
    content = dicom_bytes()
    response = send(
        doctor_client,
        NEW_PATIENT,
        archive_bytes(
            ("read me.txt", b"no radiograph " * 30),
            ("a/1.dcm", content),
            ("a/2.dcm", dicom_bytes()),
            ("b/1 again.dcm", content),
            ("b/leg.dcm", dicom_bytes(BodyPartExamined="LEG")),
            ("b/more.zip", archive_bytes(("x", b"x"))),
            ("../3.dcm", dicom_bytes()),
            ("empty", b""),
        ),
    )
    assert response.status_code == 200
    assert states(response) == [
        ("read me.txt", "skipped", "not_dicom"),
        ("a/1.dcm", "accepted", ""),
        ("a/2.dcm", "accepted", ""),
        ("b/1 again.dcm", "duplicate", ""),
        ("b/leg.dcm", "refused", "not_chest"),
        ("b/more.zip", "skipped", "archive_entry_archive"),
        ("../3.dcm", "refused", "archive_entry_path"),
        ("empty", "refused", "empty_file"),
    ]
    patient = Patient.objects.get()
    assert response.json()["patient"] == str(patient.pk)
    assert Radiograph.objects.filter(patient=patient).count() == Analysis.objects.count() == 2


def test_the_same_archive_again_stores_nothing_twice(doctor_client, doctor):
    patient = PatientFactory(owner=doctor)
    content = archive_bytes(("1", dicom_bytes()), ("2", dicom_bytes()))
    first = send(doctor_client, {"patient": str(patient.pk)}, content)
    again = send(doctor_client, {"patient": str(patient.pk)}, content)
    assert [state for _name, state, _code in states(first)] == ["accepted"] * 2
    assert [state for _name, state, _code in states(again)] == ["duplicate"] * 2
    assert Radiograph.objects.count() == 2


def test_a_header_that_disagrees_is_said_of_the_file_that_it_is_in(doctor_client):
    content = archive_bytes(("1", dicom_bytes(PatientSex="M")), ("2", dicom_bytes()))
    first, second = send(doctor_client, NEW_PATIENT, content).json()["results"]
    assert (len(first["warnings"]), len(second["warnings"])) == (1, 0)


def test_a_medium_with_its_directory(doctor_client, tmp_path):
    files = FileSet()
    for _number in range(3):
        dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(SeriesNumber=1, InstanceNumber=1)))
        dataset.StudyID = "1"
        files.add(dataset)
    files.write(tmp_path)
    with warnings.catch_warnings():  # It leaves its own folder to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        del files
        gc.collect()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(tmp_path.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    found = states(send(doctor_client, NEW_PATIENT, out.getvalue()))
    assert ("DICOMDIR", "skipped", "dicom_directory") in found
    assert sorted(state for _name, state, _code in found) == ["accepted"] * 3 + ["skipped"]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_archive_that_is_refused_leaves_nothing_behind(doctor_client, accept):
    sound = archive_bytes(("1", dicom_bytes()))
    for content in (sound[:-30], encrypted(sound), archive_bytes()):
        response = send(doctor_client, NEW_PATIENT, content, accept=accept)
        assert response.status_code == 400
    assert not Patient.objects.exists()
    assert not Radiograph.objects.exists()


def test_an_archive_larger_than_one_radiograph_may_be_is_kept_whole(doctor_client, settings):
    settings.RADIOGRAPH_MAX_BYTES = 3_000_000
    content = archive_bytes(
        *((str(n), dicom_bytes(rows=1000, columns=1000, seed=n)) for n in range(3)),
        method=zipfile.ZIP_STORED,
    )
    assert len(content) > 6_000_000
    assert [s for _n, s, _c in states(send(doctor_client, NEW_PATIENT, content))] == [
        "accepted"
    ] * 3
    settings.ARCHIVE_MAX_BYTES = 5_000_000
    response = send(doctor_client, NEW_PATIENT | {"identifier": "2"}, content)
    assert response.status_code == 413
    assert response.json()["results"][0]["error"]["code"] == "archive_too_large"


def test_without_script_a_page_sums_up(doctor_client):
    content = archive_bytes(
        ("notes.txt", b"no radiograph " * 30),
        ("1.dcm", dicom_bytes()),
        ("<b>2</b>.dcm", dicom_bytes(BodyPartExamined="LEG")),
    )
    response = send(doctor_client, NEW_PATIENT, content, content, accept="text/html")
    assert response.status_code == 200
    assert response.context["counts"] == {
        "accepted": 1,
        "duplicate": 1,
        "refused": 2,
        "skipped": 2,
    }
    assert "&lt;b&gt;2&lt;/b&gt;.dcm" in response.text
    assert response.text.count('data-state="skipped"') == 2


def test_a_thousand_files_in_bounded_memory(doctor_client, doctor):
    """Mostly of no use to anybody: their number alone must cost nothing."""
    patient = PatientFactory(owner=doctor)
    notes = [(f"notes/{number}.txt", b"no radiograph " * 5000) for number in range(990)]
    content = archive_bytes(*notes, *((f"{number}", dicom_bytes()) for number in range(10)))
    tracemalloc.start()
    response = send(doctor_client, {"patient": str(patient.pk)}, content)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = [state for _name, state, _code in states(response)]
    assert (found.count("skipped"), found.count("accepted")) == (990, 10)
    assert peak < 20 * 1024 * 1024
