"""A patient's data as one archive: whole, described, private, recorded, in little memory."""

import hashlib
import io
import json
import tracemalloc
import zipfile

import pytest
from django.core.files.base import ContentFile, File
from django.urls import reverse
from django.utils import timezone

from accounts.models import Practice
from inference.models import Analysis, Review
from inference.privacy.export import patient_export, patient_format
from inference.services import review_create
from operations.models import AccessEvent
from operations.services import access_record
from patients.models import EmergencyAccess
from radiology.models import Radiograph, SecondReading
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def address(patient) -> str:
    return reverse("inference:patient_export", args=[patient.pk])


def opened(pieces) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    return archive


def document(archive, name="patient.json"):
    return json.loads(archive.read(name))


@pytest.fixture
def patient(doctor):
    """Two radiographs; one was read twice, judged by two doctors, and read second. A colleague
    opened the patient in an emergency."""
    patient = PatientFactory(owner=doctor, identifier="IPP-77", training_consent="given")
    radiograph = RadiographFactory(patient=patient, warnings=[{"code": "view_unknown"}])
    radiograph.preview.save("", ContentFile(b"preview"))
    AnalysisFactory(radiograph=radiograph, is_current=None)
    analysis = AnalysisFactory(radiograph=radiograph, label="lung_opacity")
    analysis.map.save("", ContentFile(b"map"))
    review_create(analysis=analysis, doctor=doctor, verdict="approved")
    reader = DoctorFactory(first_name="Ada", last_name="Second")
    SecondReading.objects.create(
        radiograph=radiograph, asked_by=doctor, address=reader.email, reader=reader
    )
    Review.objects.create(
        analysis=analysis,
        doctor=reader,
        verdict="contested",
        label="normal",
        comment="No consolidation.",
    )
    RadiographFactory(patient=patient)
    EmergencyAccess.objects.create(
        patient=patient,
        doctor=reader,
        practice=Practice.objects.create(name="Cabinet du Port"),
        cause="absent",
        comment="In the waiting room.",
        ends_at=timezone.now(),
    )
    return patient


def test_everything_is_in_it(doctor_client, doctor, patient):
    access_record(actor=AdminFactory(last_name="Chief"), action="read", obj=patient)
    other = AnalysisFactory(radiograph__patient__owner=doctor)

    response = doctor_client.post(address(patient))

    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "private, no-store"
    assert patient.identifier not in response["Content-Disposition"]
    archive = opened(response)
    told = document(archive)
    assert (told["format"], told["version"]) == ("pneumoniapp-patient", 1)
    person = told["patient"]
    assert person["identifier"] == "IPP-77"
    assert person["training_consent"] == "given"
    assert len(person["radiographs"]) == 2
    radiograph = person["radiographs"][0]
    assert radiograph["warnings"] == [{"code": "view_unknown"}]
    assert len(radiograph["analyses"]) == 2
    analysis = radiograph["analyses"][1]
    assert analysis["label"] == "lung_opacity"
    assert {review["comment"] for review in analysis["reviews"]} == {"", "No consolidation."}
    assert {review["doctor"]["name"] for review in analysis["reviews"]} == {
        doctor.get_full_name(),
        "Ada Second",
    }
    assert radiograph["second_readings"][0]["reader"]["name"] == "Ada Second"

    # The files are the stored ones, and their list holds their checksums.
    row = Radiograph.objects.order_by("pk").first()
    with row.file.open() as file:
        content = file.read()
    assert archive.read(radiograph["file"]) == content
    assert archive.read(radiograph["preview"]) == b"preview"
    assert archive.read(analysis["map"]) == b"map"
    listed = {entry["name"]: entry for entry in document(archive, "files.json")}
    assert len(listed) == 4
    assert listed[radiograph["file"]]["sha256"] == hashlib.sha256(content).hexdigest()
    assert set(archive.namelist()) == {*listed, "patient.json", "format.json", "files.json"}

    # Who looked: this export as well; of administrators no name.
    assert [event["channel"] for event in told["accesses"]][-1] == "export"
    assert told["accesses"][-1]["by"]["key"] == str(doctor.pk)
    assert any((e["by"] or {}).get("role") == "administrator" for e in told["accesses"])
    whole = archive.read("patient.json").decode()
    assert "Chief" not in whole
    assert str(other.pk) not in whole
    assert other.radiograph.patient.identifier not in whole


def keys_of(value, path="") -> set[str]:
    if isinstance(value, list):
        return set().union(*(keys_of(one, path) for one in value)) if value else set()
    if not isinstance(value, dict) or not value:
        return {path}
    return set().union(*(keys_of(one, f"{path}/{name}") for name, one in value.items()))


OPEN = ("/patient/radiographs/warnings", "timings", "error_params", "region", "prediction_set")


def test_every_key_is_described(patient):
    """Whatever is told stands in format.json, and what stands there is told."""
    archive = opened(patient_export(patient=patient, by=None))
    assert document(archive, "format.json") == patient_format()
    people = ("/key", "/role", "/name")

    def flat(value) -> set[str]:
        found = set()
        for key in keys_of(value):
            key = next((key[: -len(end)] for end in people if key.endswith(end)), key)
            start = [key[: key.index(name) + len(name)] for name in OPEN if name in key]
            found.add(start[0] if start else key)
        return found

    told, described = flat(document(archive)), flat(patient_format())
    described -= {"/person", "/patient/radiographs/analyses/withheld"}
    assert told == described


def test_it_is_recorded_each_time(doctor_client, doctor, patient):
    for _ in range(2):
        b"".join(doctor_client.post(address(patient)))
    events = AccessEvent.objects.filter(reason="patient_export", channel="export")
    assert (
        list(events.values_list("actor", "object_id", "patient"))
        == [(doctor.pk, str(patient.pk), str(patient.pk))] * 2
    )


def test_only_by_a_form_and_only_the_own_patient(doctor_client, patient, other_doctor_client):
    assert doctor_client.get(address(patient)).status_code == 405
    assert other_doctor_client.post(address(patient)).status_code == 404
    assert not AccessEvent.objects.filter(reason="patient_export").exists()


def test_who_reads_first_gets_no_reading_before_judging(doctor, doctor_client, patient):
    hidden = AnalysisFactory(radiograph__patient=patient, label="not_normal")
    hidden.map.save("", ContentFile(b"map"))
    Review.objects.create(
        analysis=hidden, doctor=DoctorFactory(), verdict="approved", label="not_normal"
    )
    doctor.read_first = True
    doctor.save()

    archive = opened(doctor_client.post(address(patient)))

    radiographs = document(archive)["patient"]["radiographs"]
    judged, _unread, withheld = radiographs
    assert judged["analyses"][1]["label"] == "lung_opacity"
    told = withheld["analyses"][0]
    assert told["withheld"] is True
    assert "not_normal" not in json.dumps(withheld)
    assert not any(str(hidden.pk) in name for name in archive.namelist())
    # The administration, and so the patient, gets all of it.
    whole = document(opened(patient_export(patient=patient, by=AdminFactory())))
    assert whole["patient"]["radiographs"][2]["analyses"][0]["label"] == "not_normal"


def test_a_file_that_is_missing_is_said_to_be(patient):
    radiograph = Radiograph.objects.order_by("pk").first()
    radiograph.file.storage.delete(radiograph.file.name)
    archive = opened(patient_export(patient=patient, by=None))
    missing = [entry for entry in document(archive, "files.json") if entry.get("missing")]
    assert [entry["name"] for entry in missing] == [f"radiographs/{radiograph.pk}/image.dcm"]


def test_a_storage_that_fails_leaves_no_archive_that_opens(patient, fail_storage):
    pieces, failed, stream = [], False, patient_export(patient=patient, by=None)
    fail_storage()
    try:
        pieces += stream
    except Exception:  # Whatever the storage raises.
        failed = True
    assert failed
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


def test_a_large_file_takes_little_memory(doctor, tmp_path):
    patient = PatientFactory(owner=doctor)
    radiograph = RadiographFactory(patient=patient)
    storage, large = radiograph.file.storage, tmp_path / "large"
    with large.open("w+b") as file:
        file.truncate(64 * 1024 * 1024)
        storage.delete(radiograph.file.name)
        storage.save(radiograph.file.name, File(file))
    stream = patient_export(patient=patient, by=None)
    tracemalloc.start()
    size = sum(len(piece) for piece in stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_the_number_of_queries_does_not_grow_without_end(patient, django_assert_max_num_queries):
    assert Analysis.objects.count() == 2
    with django_assert_max_num_queries(16):
        patient_export(patient=patient, by=None)


def test_two_hundred_radiographs_take_little_memory(doctor):
    patient = PatientFactory(owner=doctor)
    first = RadiographFactory(patient=patient)
    with first.file.open() as file:
        size = len(file.read())
    for number in range(199):
        AnalysisFactory(
            radiograph=RadiographFactory(patient=patient, sop_instance_uid=f"1.2.{number + 1}")
        )
    total = 0
    tracemalloc.start()
    for piece in patient_export(patient=patient, by=None):
        total += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 200 * size
    assert peak < 8 * 1024 * 1024 < total
