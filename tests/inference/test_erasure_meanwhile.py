"""A patient is erased while something of theirs is under way: it ends cleanly, nobody is back."""

import importlib
import io
import json
import threading
import zipfile

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.urls import reverse
from rest_framework.test import APIClient

from inference.models import Analysis
from inference.privacy.erasure import erasure_carry_out
from inference.privacy.export import patient_export
from inference.privacy.retention import retention_run
from inference.services import analysis_request, reading_submit, review_create
from operations.storage import stored_files
from patients.models import Erasure, Patient
from patients.services import patient_update
from pneumoniapp.errors import CodedError
from radiology.models import Radiograph
from radiology.second_readings import second_reading_ask
from tests.accounts.factories import token_for
from tests.api.problems import assert_problem
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, dicom_bytes

pytestmark = pytest.mark.django_db(transaction=True)


def erased(patient: Patient) -> None:
    erasure = Erasure.objects.create(
        patient_key=patient.pk,
        owner=patient.owner,
        cause=Erasure.Cause.PATIENT,
        due_on="2020-01-01",
    )
    erasure_carry_out(erasure=erasure, by=None)


def nothing_is_left(patient: Patient) -> None:
    kept = {"operations.accessevent", "patients.erasure", "patients.tombstone"}
    for model in apps.get_models():
        if model._meta.label_lower not in kept:
            rows = repr(list(model._base_manager.values_list()))
            assert str(patient.pk) not in rows
            assert repr(patient.pk) not in rows, model
    folders = ("radiographs", "analyses")
    assert [file.name for folder in folders for file in stored_files(folder)] == []


def upload(patient, doctor):
    content = dicom_bytes(PatientBirthDate="", PatientSex="", PatientAge="")
    reading_submit(patient=patient, uploaded_by=doctor, file=io.BytesIO(content))


def update(patient, doctor):
    patient_update(
        patient=patient,
        identifier=patient.identifier,
        sex="F",
        birth_date=patient.birth_date,
        training_consent="given",
        by=doctor,
    )


STEPS = {"upload": upload, "update": update}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_began_before(doctor, step):
    """Its form was read, its file was looked at; then the patient goes; then it wants to write."""
    patient = PatientFactory(owner=doctor)
    patient.refresh_from_db()
    erased(patient)
    with pytest.raises(CodedError) as refused:
        STEPS[step](patient, doctor)
    assert (refused.value.code, refused.value.status) == ("patient_erased", 404)
    nothing_is_left(patient)


def test_judging_asking_and_reading_again(doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    radiograph = analysis.radiograph
    erased(radiograph.patient)
    with pytest.raises(Analysis.DoesNotExist):
        review_create(analysis=analysis, doctor=doctor, verdict="approved")
    with pytest.raises(Patient.DoesNotExist):
        analysis_request(radiograph=radiograph, requested_by=doctor)
    with pytest.raises(Radiograph.DoesNotExist):
        second_reading_ask(radiograph=radiograph, asked_by=doctor, address="a@example.org")
    nothing_is_left(radiograph.patient)


@pytest.fixture
def erased_before(monkeypatch):
    """The patient goes after the view has looked and before its service writes."""

    def wrap(module: str, service: str, patient: Patient) -> None:
        real = getattr(importlib.import_module(module), service)

        def late(**values):
            erased(patient)
            return real(**values)

        monkeypatch.setattr(f"{module}.{service}", late)

    return wrap


def test_pages_and_api_say_that_it_is_not_there(doctor, doctor_client, erased_before):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    erased_before("inference.views", "review_create", analysis.radiograph.patient)
    address = reverse("inference:review", args=[analysis.pk])
    assert doctor_client.post(address, {"verdict": "approved"}).status_code == 404
    nothing_is_left(analysis.radiograph.patient)

    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    erased_before("inference.api.views", "review_create", analysis.radiograph.patient)
    address = f"/api/v1/analyses/{analysis.pk}/reviews/"
    program = APIClient(headers={"authorization": f"Token {token_for(doctor)}"})
    assert_problem(program.post(address, {"verdict": "approved"}), 404, "not_found")
    nothing_is_left(analysis.radiograph.patient)


def test_an_upload_that_waits_for_the_erasure(doctor):
    """Real connections: the erasure has the patient's lock when the upload comes to write."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory refuses a second writer at once instead of letting it wait")
    patient = PatientFactory(owner=doctor)
    patient.refresh_from_db()
    locked, refused = threading.Event(), []

    def send():
        try:
            locked.wait(10)
            upload(patient, doctor)
        except CodedError as error:
            refused.append(error.code)
        finally:
            connection.close()

    sender = threading.Thread(target=send)
    sender.start()
    with transaction.atomic():
        erased(patient)
        locked.set()
        sender.join(1)
        assert sender.is_alive()
    sender.join(20)
    assert refused == ["patient_erased"]
    nothing_is_left(patient)


def test_retention_spares_whoever_came_again(doctor):
    """Listed as past the term, but a radiograph arrives before the turn comes to the patient."""
    patients = [PatientFactory(owner=doctor, birth_date="1940-01-01") for _number in range(2)]
    for patient in patients:
        RadiographFactory(patient=patient, acquired_on="1990-01-01")
    run = retention_run()
    assert next(run).key == patients[0].pk
    RadiographFactory(patient=patients[1])
    assert list(run) == []
    assert list(Patient.objects.all()) == [patients[1]]
    assert patients[1].radiographs.count() == 2


def test_an_export_under_way_is_whole_and_says_what_is_missing(doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    patient = analysis.radiograph.patient
    stream = patient_export(patient=patient, by=doctor)
    pieces = [next(stream)]
    erased(patient)
    pieces += stream
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    assert json.loads(archive.read("patient.json"))["patient"]["id"] == str(patient.pk)
    listed = json.loads(archive.read("files.json"))
    assert listed == [{"name": f"radiographs/{analysis.radiograph_id}/image.dcm", "missing": True}]
    nothing_is_left(patient)
