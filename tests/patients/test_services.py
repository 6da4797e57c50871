"""Writing patients down: what is refused, what is recorded."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db.models.signals import pre_save
from django.utils import timezone

from operations.models import AccessEvent
from patients.errors import (
    BirthDateAfterRadiographError,
    BirthDateInFutureError,
    BirthDateTooEarlyError,
    PatientExistsError,
)
from patients.models import Patient
from patients.selectors import patient_get, patients_list, patients_search, with_radiographs
from patients.services import identifier_normalize, patient_create, patient_update
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def create(owner, **changes):
    fields = {"identifier": "IPP-1", "sex": "F", "birth_date": dt.date(1970, 5, 1)}
    return patient_create(owner=owner, **(fields | changes))


def test_a_patient_is_recorded_with_who_made_it(doctor):
    patient = create(doctor, identifier="  IPP   7/2024 ")
    assert patient.identifier == "IPP 7/2024"
    assert patient.owner == doctor
    event = AccessEvent.objects.get()
    assert (event.actor, event.action, event.object_id) == (doctor, "create", str(patient.pk))


@pytest.mark.parametrize("identifier", ["IPP-1", "ipp-1", " IPP-1 "])
def test_an_identifier_is_taken_once_by_one_doctor(doctor, identifier):
    create(doctor)
    with pytest.raises(PatientExistsError):
        create(doctor, identifier=identifier)
    assert Patient.objects.count() == 1


def test_two_doctors_may_use_the_same_identifier(doctor, other_doctor):
    assert create(doctor).pk != create(other_doctor).pk


def test_another_request_between_check_and_save_is_noticed(doctor):
    """The check cannot see a row of another transaction: the constraint can."""

    def another(sender, instance, **kwargs):
        twin = PatientFactory.build(owner=doctor, identifier=instance.identifier)
        Patient.objects.bulk_create([twin])

    pre_save.connect(another, sender=Patient)
    try:
        with pytest.raises(PatientExistsError):
            create(doctor)
    finally:
        pre_save.disconnect(another, sender=Patient)


@pytest.mark.parametrize(
    ("birth_date", "error"),
    [
        (dt.date(1879, 12, 31), BirthDateTooEarlyError),
        (dt.date(3000, 1, 1), BirthDateInFutureError),
    ],
)
def test_an_impossible_birth_date_is_refused(doctor, birth_date, error):
    with pytest.raises(error):
        create(doctor, birth_date=birth_date)
    assert not Patient.objects.exists()
    assert not AccessEvent.objects.exists()


@pytest.mark.parametrize("birth_date", [dt.date(1880, 1, 1), None])
def test_the_first_and_the_last_possible_birth_date(doctor, birth_date):
    assert create(doctor, birth_date=birth_date or timezone.localdate()).pk


@pytest.mark.parametrize(
    ("field", "value"),
    [("identifier", ""), ("identifier", "a\x00b"), ("identifier", "<b>"), ("identifier", "x" * 65),
     ("sex", "X"), ("sex", "")],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(doctor, field, value):
    with pytest.raises(ValidationError) as caught:
        create(doctor, **{field: value})
    assert set(caught.value.message_dict) == {field}


def test_one_spelling_of_one_identifier():
    assert identifier_normalize("E\u0301t\u00a0é  1") == "Ét é 1"


def test_a_correction_is_recorded(doctor):
    patient = PatientFactory(owner=doctor)
    patient_update(
        patient=patient, by=doctor, identifier="B 2", sex="O", birth_date=dt.date(2001, 2, 3)
    )
    stored = Patient.objects.get()
    assert (stored.identifier, stored.sex, stored.birth_date) == ("B 2", "O", dt.date(2001, 2, 3))
    assert AccessEvent.objects.get().action == "update"


def test_a_correction_may_change_the_case_but_not_take_anothers(doctor):
    first, second = PatientFactory(owner=doctor), PatientFactory(owner=doctor)
    patient_update(
        patient=first, by=doctor, identifier="IPP-a", sex="F", birth_date=first.birth_date
    )
    patient_update(
        patient=first, by=doctor, identifier="IPP-A", sex="F", birth_date=first.birth_date
    )
    with pytest.raises(PatientExistsError):
        patient_update(
            patient=second, by=doctor, identifier="ipp-a", sex="F", birth_date=first.birth_date
        )


def test_a_patient_is_not_made_younger_than_the_own_radiographs(doctor):
    patient = PatientFactory(owner=doctor, birth_date=dt.date(1970, 5, 1))
    RadiographFactory(patient=patient, acquired_on=dt.date(2024, 3, 1))
    RadiographFactory(patient=patient, acquired_on=dt.date(2025, 3, 1))

    def correct(birth_date):
        patient_update(
            patient=Patient.objects.get(),
            by=doctor,
            identifier=patient.identifier,
            sex=patient.sex,
            birth_date=birth_date,
        )

    with pytest.raises(BirthDateAfterRadiographError):
        correct(dt.date(2024, 3, 2))
    assert Patient.objects.get().birth_date == dt.date(1970, 5, 1)
    correct(dt.date(2024, 3, 1))  # the day of birth itself
    assert Patient.objects.get().birth_date == dt.date(2024, 3, 1)


def test_only_the_own_patients_are_seen(doctor, other_doctor, pending_doctor, settings):
    settings.DOCTOR_VERIFICATION_REQUIRED = True
    mine, theirs = PatientFactory(owner=doctor), PatientFactory(owner=other_doctor)
    assert list(patients_list(doctor)) == [mine]
    assert patient_get(doctor, mine.pk) == mine
    with pytest.raises(Patient.DoesNotExist):
        patient_get(doctor, theirs.pk)
    assert not patients_list(pending_doctor).exists()


def test_search_finds_a_part_whatever_its_case(doctor, other_doctor):
    for identifier in ("IPP-20", "IPP-12", "other"):
        PatientFactory(owner=doctor, identifier=identifier)
    PatientFactory(owner=other_doctor, identifier="IPP-99")
    found = patients_search(doctor, " ipp-")
    assert [patient.identifier for patient in found] == ["IPP-12", "IPP-20"]
    assert len(patients_search(doctor, "")) == 3
    assert len(patients_search(doctor, "", limit=2)) == 2


@pytest.mark.parametrize("words", ["%", "_", "\\", "'"])
def test_search_takes_wildcards_as_plain_characters(doctor, words):
    PatientFactory(owner=doctor, identifier="plain")
    assert patients_search(doctor, words) == []


def test_radiographs_are_counted_in_one_query(doctor, django_assert_num_queries):
    patients = PatientFactory.create_batch(3, owner=doctor)
    RadiographFactory(patient=patients[0], acquired_on=dt.date(2023, 1, 1))
    RadiographFactory(patient=patients[0], acquired_on=dt.date(2024, 1, 1))
    with django_assert_num_queries(1):
        with_radiographs(patients)
    assert [patient.radiograph_count for patient in patients] == [2, 0, 0]
    assert patients[0].last_radiograph_on == dt.date(2024, 1, 1)
    assert patients[1].last_radiograph_on is None
