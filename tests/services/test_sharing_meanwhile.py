"""A patient is shared and taken back while radiographs of theirs come, on real connections."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.models import Doctor
from inference.models import Analysis
from inference.services import analysis_request, reading_submit
from patients.models import Patient
from patients.sharing import patient_share, patient_unshare
from radiology.models import Radiograph
from tests.accounts.factories import DoctorFactory, left, practice_of
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes
from tests.services.test_leaving import alone

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


@pytest.fixture
def owner(site):
    doctor = DoctorFactory()
    practice_of(owner=doctor, doctor=DoctorFactory())
    return Doctor.objects.get(pk=doctor.pk)


def disagreeing():
    """Analyses whose practice is not their patient's; ``NULL`` equals ``NULL`` here."""
    rows = Analysis.objects.values_list("practice", "radiograph__patient__practice")
    return [pair for pair in rows if pair[0] != pair[1]]


def test_no_analysis_says_another_practice_than_its_patient(owner):
    patient = PatientFactory(owner=owner)
    known = [AnalysisFactory(radiograph__patient=patient).radiograph for _number in range(2)]
    over, before = threading.Event(), Analysis.objects.count()

    @alone
    def again_and_again(work: Callable[[int], None]) -> int:
        done = 0
        while not over.is_set():
            work(done)
            done += 1
        return done

    def share(number: int) -> None:
        (patient_unshare if number % 2 else patient_share)(patient=patient, by=owner)

    def send(seed: int) -> Callable[[int], None]:
        def one(number: int) -> None:
            file = io.BytesIO(dicom_bytes(seed=seed + number))
            reading_submit(patient=patient, uploaded_by=owner, file=file, confirm_mismatch=True)

        return one

    def read_again(radiograph: Radiograph) -> Callable[[int], None]:
        def one(_number: int) -> None:
            # As the worker ends one: by its key.
            [current] = radiograph.analyses.current().values_list("pk", flat=True)
            Analysis.objects.filter(pk=current).update(status="failed")
            analysis_request(radiograph=radiograph, requested_by=owner)

        return one

    works = [share, send(1000), send(5000), *map(read_again, known)]
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(again_and_again, work) for work in works]
        time.sleep(6)
        over.set()
        # An error of the database (a deadlock) would come out here.
        assert all(one.result() for one in running)
    assert Analysis.objects.count() > before + 10
    assert disagreeing() == []


def test_who_leaves_takes_along_what_comes_in_that_moment(owner):
    patients = PatientFactory.create_batch(5, owner=owner)
    for patient in patients:
        AnalysisFactory(radiograph__patient=patient)
        patient_share(patient=patient, by=owner)
    over, errors = threading.Event(), []

    @alone
    def send(seed: int) -> None:
        number = 0
        while not over.is_set():
            file = io.BytesIO(dicom_bytes(seed=seed + number))
            patient = patients[number % len(patients)]
            try:
                reading_submit(patient=patient, uploaded_by=owner, file=file, confirm_mismatch=True)
            except Exception as error:
                errors.append(error)
            number += 1

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(send, seed) for seed in (20_000, 30_000)]
        time.sleep(1)
        practice = owner.practice
        practice_of_others(practice)
        left(owner)
        time.sleep(1)
        over.set()
        for one in running:
            one.result()
    assert errors == []
    assert disagreeing() == []
    assert not Patient.objects.exclude(practice=None).exists()
    assert not Analysis.objects.exclude(practice=None).exists()


def practice_of_others(practice) -> None:
    """Somebody else owns it as well, so that its owner may leave."""
    membership = practice.memberships.exclude(role="owner").get(is_open=True)
    membership.role = "owner"
    membership.save()
    Doctor.objects.filter(pk=membership.doctor_id).update(practice_role="owner")
