"""Consent to training over REST."""

import pytest

from operations.models import AccessEvent
from patients.models import Patient

pytestmark = pytest.mark.django_db

FIELDS = {"identifier": "IPP 77", "sex": "M", "birth_date": "1961-07-05"}
API = "/api/v1/patients/"


def test_programs_record_and_read_it(api, doctor):
    created = api.post(API, FIELDS).json()
    assert (created["training_consent"], created["consent_at"]) == ("unknown", None)
    address = f"{API}{created['id']}/"
    given = api.patch(address, {"training_consent": "given"}).json()
    assert given["training_consent"] == "given"
    assert given["consent_at"]
    # Whoever does not speak of it changes nothing.
    assert api.put(address, FIELDS).json()["training_consent"] == "given"
    assert api.put(address, FIELDS | {"training_consent": "yes"}).status_code == 400
    assert api.patch(address, {"training_consent": "withdrawn"}).status_code == 200
    patient = Patient.objects.get()
    assert (patient.training_consent, patient.consent_by) == ("withdrawn", doctor)
    events = AccessEvent.objects.filter(object_id=str(patient.pk), channel="api").order_by("pk")
    assert list(events.exclude(reason="").values_list("reason", flat=True)) == [
        "consent_given",
        "consent_withdrawn",
    ]
