"""Consent to the use of radiographs for training: who recorded what, where, and that it shows."""

import pytest
from django.urls import reverse
from django.utils import timezone

from operations.models import AccessEvent
from patients.models import Patient
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

FIELDS = {"identifier": "IPP 77", "sex": "M", "birth_date": "1961-07-05"}


def reasons(patient) -> list[str]:
    events = AccessEvent.objects.filter(object_id=str(patient.pk), reason__startswith="consent_")
    return list(events.order_by("pk").values_list("reason", flat=True))


def test_nobody_has_consented_who_was_not_asked(doctor_client):
    doctor_client.post(reverse("patients:create"), FIELDS)
    patient = Patient.objects.get()
    assert (patient.training_consent, patient.consent_at, patient.consent_by) == (
        "unknown",
        None,
        None,
    )
    assert reasons(patient) == []


def test_the_form_records_what_when_and_by_whom(doctor_client, doctor):
    before = timezone.now()
    doctor_client.post(reverse("patients:create"), FIELDS | {"training_consent": "given"})
    patient = Patient.objects.get()
    assert (patient.training_consent, patient.consent_by) == ("given", doctor)
    assert before <= patient.consent_at <= timezone.now()
    given_at = patient.consent_at
    page = doctor_client.get(reverse("patients:detail", args=[patient.pk])).text
    assert "Given" in page
    assert doctor.get_full_name() in page

    # A correction of something else is no new consent.
    edit = reverse("patients:update", args=[patient.pk])
    doctor_client.post(edit, FIELDS | {"sex": "F", "training_consent": "given"})
    doctor_client.post(edit, FIELDS)
    patient.refresh_from_db()
    assert (patient.training_consent, patient.consent_at) == ("given", given_at)

    doctor_client.post(edit, FIELDS | {"training_consent": "withdrawn"})
    patient.refresh_from_db()
    assert patient.training_consent == "withdrawn"
    assert patient.consent_at > given_at
    assert "Withdrawn" in doctor_client.get(reverse("patients:detail", args=[patient.pk])).text
    assert reasons(patient) == ["consent_given", "consent_withdrawn"]


def test_a_word_that_is_none_is_refused(doctor_client, doctor):
    answer = doctor_client.post(reverse("patients:create"), FIELDS | {"training_consent": "maybe"})
    assert answer.status_code == 422
    assert "training_consent" in answer.context["form"].errors


def test_the_admin_finds_who_gave_and_who_withdrew(admin_client):
    PatientFactory(identifier="YES-1", training_consent="given")
    PatientFactory(identifier="NO-1", training_consent="withdrawn")
    url = reverse("admin:patients_patient_changelist")
    page = admin_client.get(url, {"training_consent__exact": "withdrawn"}).text
    assert "NO-1" in page
    assert "YES-1" not in page
