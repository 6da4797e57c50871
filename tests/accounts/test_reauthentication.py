"""What cannot be undone asks for the password first, if it was given long ago."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Doctor
from patients.models import Erasure
from tests.patients.factories import PatientFactory

from .factories import PASSWORD, AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db
ASKED = "/accounts/reauthenticate/"
LIST = "/admin/accounts/doctor/"


@pytest.fixture
def admin(client, settings, time_machine):
    """An administrator who logged in an hour ago, in a session that is used."""
    settings.STAFF_SESSION_IDLE_SECONDS = 7200
    client.force_login(AdminFactory(is_superuser=True, language="en"))
    time_machine.move_to(timezone.now() + timedelta(hours=1))
    return client


@pytest.fixture
def doctor():
    return DoctorFactory(verification=Doctor.Verification.PENDING)


def test_the_password_is_asked_and_what_was_sent_goes_on(admin, doctor):
    response = admin.post(LIST, {"action": "verify", "_selected_action": doctor.pk})
    assert response.url.startswith(ASKED)
    doctor.refresh_from_db()
    assert not doctor.may_practise
    wrong = admin.post(response.url, {"password": "wrong"})
    assert wrong.status_code == 200
    right = admin.post(response.url, {"password": PASSWORD})
    assert right.url == LIST
    doctor.refresh_from_db()
    assert doctor.may_practise
    # For a while nothing asks again.
    response = admin.post(LIST, {"action": "suspend", "_selected_action": doctor.pk})
    assert response.url == LIST


@pytest.mark.parametrize(
    ("address", "data"),
    [
        (LIST, {"action": "suspend"}),
        (LIST, {"action": "end_access"}),
        (LIST, {"action": "remove_second_factor"}),
        ("/admin/accounts/doctor/{}/verification/", {"decision": "verify"}),
        ("/admin/operations/backup/now/", {}),
        ("/admin/operations/accessevent/export.csv", None),
    ],
)
def test_each_of_these_asks(admin, doctor, address, data):
    address = address.format(doctor.pk)
    if data is None:
        response = admin.get(address)
    else:
        response = admin.post(address, data | {"_selected_action": doctor.pk})
    assert response.status_code == 302
    assert response.url.startswith(ASKED)


def test_rights_are_given_by_who_has_just_shown_who_they_are(admin, doctor):
    page = admin.get(f"{LIST}{doctor.pk}/change/")
    form = page.context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields} | {"is_staff": "on"}
    data = {name: value for name, value in data.items() if value not in (False, [], "")}
    response = admin.post(f"{LIST}{doctor.pk}/change/", data)
    assert response.url.startswith(ASKED)
    doctor.refresh_from_db()
    assert not doctor.is_staff


def test_a_patient_is_erased_and_exported_by_who_has_just_shown_who_they_are(client, time_machine):
    patient = PatientFactory()
    client.force_login(patient.owner)
    time_machine.move_to(timezone.now() + timedelta(minutes=20))
    for page in ("erasure", "export"):
        response = client.post(f"/patients/{patient.pk}/{page}/", {"confirm": "on"})
        assert response.status_code == 302, page
        assert response.url.startswith(ASKED), page
    assert not Erasure.objects.exists()
