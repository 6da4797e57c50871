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


@pytest.mark.parametrize(("action", "after"), [("verify", "verified"), ("suspend", "suspended")])
def test_an_action_from_a_filtered_list_goes_on(action, after, admin, doctor):
    """The mail to the administrators leads to such a list."""
    other = DoctorFactory()
    address = f"{LIST}?verification__exact=pending&q="
    # All that the list shows: who is filtered out stays as they are.
    values = {"action": action, "_selected_action": doctor.pk, "select_across": "1", "index": "0"}
    asked = admin.post(address, values)
    assert asked.url.startswith(ASKED)
    doctor.refresh_from_db()
    assert doctor.verification == Doctor.Verification.PENDING
    done = admin.post(asked.url, {"password": PASSWORD})
    assert done.url == address, "back on the same list"
    assert "1 account changed." in admin.get(done.url).text
    doctor.refresh_from_db()
    other.refresh_from_db()
    assert doctor.verification == after
    assert other.verification == Doctor.Verification.VERIFIED


@pytest.mark.parametrize("way", ["wrong", "late"])
def test_who_sent_what_is_no_longer_kept_is_told(way, admin, doctor, time_machine):
    asked = admin.post(f"{LIST}?q=", {"action": "suspend", "_selected_action": doctor.pk})
    if way == "late":
        time_machine.move_to(timezone.now() + timedelta(minutes=20))
    for _try in range(3 if way == "wrong" else 0):
        admin.post(asked.url, {"password": "wrong"})
    done = admin.post(asked.url, {"password": PASSWORD})
    assert done.url == LIST
    page = admin.get(done.url).text
    assert "nothing was done" in page
    doctor.refresh_from_db()
    assert doctor.verification == Doctor.Verification.PENDING
    # Said once, and no more when it is sent again.
    assert "nothing was done" not in admin.get(LIST).text
    admin.post(LIST, {"action": "suspend", "_selected_action": doctor.pk})
    page = admin.get(LIST).text
    assert "nothing was done" not in page
    assert "1 account changed." in page


def test_a_form_after_a_lapsed_one_goes_on_in_silence(admin, doctor, time_machine):
    values = {"action": "suspend", "_selected_action": doctor.pk}
    admin.post(LIST, values)
    time_machine.move_to(timezone.now() + timedelta(minutes=20))
    asked = admin.post(LIST, values)
    done = admin.post(asked.url, {"password": PASSWORD})
    page = admin.get(done.url).text
    assert "1 account changed." in page
    assert "nothing was done" not in page


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
