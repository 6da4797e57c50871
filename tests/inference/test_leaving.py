"""Who left the practice in this moment writes nothing more, though their request has begun.

Each write has read the account and the patient before the leave, and goes on after it: that is
how two connections meet. ``tests/services/test_leaving.py`` does it with real ones.
"""

from __future__ import annotations

import datetime as dt
from io import BytesIO

import pytest
from django.contrib.auth import get_user_model

from inference.models import Analysis, Review
from inference.selectors import analysis_get
from inference.services import (
    analysis_request,
    analysis_requeue,
    reading_submit,
    review_before_reading,
    review_create,
)
from operations.models import AccessEvent
from patients.errors import TreatmentEndedError
from patients.forms import PatientForm
from patients.models import Patient
from patients.selectors import patient_get
from patients.services import patient_update
from patients.treating import treatment_hold
from radiology.models import Radiograph
from tests.accounts.factories import DoctorFactory, left, practice_of
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes

from .factories import AnalysisFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaver():
    return DoctorFactory()


@pytest.fixture
def practice(leaver):
    return practice_of(owner=DoctorFactory(), doctor=leaver)


@pytest.fixture
def analysis(practice):
    owner = practice.memberships.get(role="owner").doctor
    patient = PatientFactory(owner=owner, practice=practice, identifier="BEFORE")
    return AnalysisFactory(radiograph__patient=patient)


def update(leaver, analysis) -> None:
    values = {"identifier": "BEFORE", "sex": "F", "birth_date": dt.date(1950, 1, 1)}
    patient = patient_get(leaver, analysis.radiograph.patient_id)
    yield
    patient_update(patient=patient, by=leaver, **values)


def update_by_form(leaver, analysis) -> None:
    """The form reads the row once more."""
    patient = patient_get(leaver, analysis.radiograph.patient_id)
    values = {"identifier": "BEFORE", "sex": "F", "birth_date": "1950-01-01"}
    form = PatientForm(values | {"training_consent": "unknown"}, instance=patient)
    yield
    if form.update(by=leaver) is None:
        assert [error.code for error in form.non_field_errors().as_data()] == ["treatment_ended"]
        raise TreatmentEndedError


def send(leaver, analysis) -> None:
    patient = patient_get(leaver, analysis.radiograph.patient_id)
    yield
    reading_submit(
        patient=patient, uploaded_by=leaver, file=BytesIO(dicom_bytes()), confirm_mismatch=True
    )


def send_known(leaver, analysis) -> None:
    """A file that was there before: another reading of it is asked for all the same."""
    patient = patient_get(leaver, analysis.radiograph.patient_id)
    data = dicom_bytes()
    first = reading_submit(
        patient=patient, uploaded_by=leaver, file=BytesIO(data), confirm_mismatch=True
    )
    first.radiograph.analyses.all().delete()
    yield
    reading_submit(patient=patient, uploaded_by=leaver, file=BytesIO(data), confirm_mismatch=True)


def judge(leaver, analysis) -> None:
    analysis = analysis_get(leaver, analysis.pk)
    yield
    review_create(analysis=analysis, doctor=leaver, verdict="approved")


def judge_first(leaver, analysis) -> None:
    leaver.read_first = True
    leaver.save()
    analysis = analysis_get(leaver, analysis.pk)
    yield
    review_before_reading(analysis=analysis, doctor=leaver, label="normal")


def read_again(leaver, analysis) -> None:
    analysis = analysis_get(leaver, analysis.pk)
    yield
    analysis_request(radiograph=analysis.radiograph, requested_by=leaver)


def requeue(leaver, analysis) -> None:
    Analysis.objects.update(status="failed", error_code="undecodable")
    analysis = analysis_get(leaver, analysis.pk)
    yield
    analysis_requeue(analysis=analysis, requested_by=leaver)


WRITES = [update, update_by_form, send, send_known, judge, judge_first, read_again, requeue]


def rows() -> tuple:
    tables = Patient, Radiograph, Analysis, Review, AccessEvent
    return tuple(sorted(map(str, table.objects.values_list())) for table in tables)


def begun(write, leaver, analysis):
    """A request up to where it writes, as an account that was read at its beginning."""
    known = get_user_model().objects.get(pk=leaver.pk)
    request = write(known, analysis)
    next(request)
    return request


@pytest.mark.parametrize("write", WRITES)
def test_what_has_begun_writes_nothing_after_the_leave(write, leaver, analysis):
    request = begun(write, leaver, analysis)
    left(leaver)
    before = rows()
    with pytest.raises(TreatmentEndedError):
        next(request, None)
    assert rows() == before


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("how", ["reader", "suspended", "unshared"])
def test_nor_after_the_role_or_the_sharing_ended(how, write, leaver, analysis, practice):
    request = begun(write, leaver, analysis)
    if how == "reader":
        type(leaver).objects.filter(pk=leaver.pk).update(practice_role="reader")
    elif how == "suspended":
        type(leaver).objects.filter(pk=leaver.pk).update(verification="suspended")
    else:
        Patient.objects.update(practice=None)
    before = rows()
    with pytest.raises(TreatmentEndedError):
        next(request, None)
    assert rows() == before


@pytest.mark.parametrize("write", WRITES)
def test_who_stays_writes(write, leaver, analysis):
    request = begun(write, leaver, analysis)
    before = rows()
    next(request, None)
    assert rows() != before


def test_an_edit_shares_nobody_again(practice, leaver):
    """The patient's own doctor left while the form was on its way: the row that was read says
    ``practice`` still."""
    patient = PatientFactory(owner=leaver, practice=practice)
    known = patient_get(leaver, patient.pk)
    left(leaver)
    patient_update(
        patient=known, by=leaver, identifier="A", sex="F", birth_date=dt.date(1950, 1, 1)
    )
    patient.refresh_from_db()
    assert patient.identifier == "A"
    assert patient.practice is None


def test_ones_own_patient_costs_no_query_more(django_assert_num_queries, leaver, practice):
    patient = PatientFactory(owner=leaver)
    with django_assert_num_queries(0):
        treatment_hold(user=leaver, owner_id=leaver.pk, patient=lambda: patient)
    with django_assert_num_queries(0):
        treatment_hold(user=None, owner_id=leaver.pk, patient=lambda: patient)
