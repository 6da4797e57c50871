"""Service accounts: whose they are, what a program may do, and when it ends."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken
from rest_framework.test import APIClient

from accounts.models import Doctor
from accounts.practices.errors import NotOwnerError, TooManyProgramsError
from accounts.practices.programs import (
    MOST_PROGRAMS,
    program_create,
    program_end,
    program_token_create,
)
from accounts.services import unconfirmed_delete
from operations.models import AccessEvent
from patients.models import Patient
from tests.access_routes import API, FILTERS, PAGES
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes
from tests.test_access import ask, outcome, world  # noqa: F401

from .factories import PASSWORD, DoctorFactory, left, practice_of

pytestmark = pytest.mark.django_db

PERSON = {"identifier": "PACS-1", "sex": "F", "birth_date": "1960-01-01"}
# What differs from what a colleague is answered, by route and method.
OTHERWISE = {("api:analysis-reviews", "POST"): 404, ("api:token", "POST"): 401}


@pytest.fixture
def practice():
    return practice_of(owner=DoctorFactory(), doctor=DoctorFactory(), reader=DoctorFactory())


def member(practice, role):
    return practice.memberships.get(role=role, is_open=True).doctor


@pytest.fixture
def program(practice):
    return program_create(practice=practice, by=member(practice, "owner"), name=" PACS  2 ")


def api(program, practice) -> APIClient:
    _token, text = program_token_create(program=program, by=member(practice, "owner"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
    return client


def browser(doctor) -> Client:
    client = Client()
    client.force_login(doctor)
    return client


@pytest.mark.parametrize("route", API + FILTERS, ids=str)
def test_a_program_does_by_token_what_a_doctor_of_the_practice_does_but_judge(route, world):  # noqa: F811
    if "colleague" not in route.answers:
        return
    world.accounts["colleague"] = world.program
    expected = OTHERWISE.get((route.name, route.method), route.answers["colleague"])
    # A password is typed by a person; this account has none in truth.
    world.program.set_unusable_password()
    world.program.save()
    assert outcome(ask(route, world, "colleague")) == expected


@pytest.mark.parametrize("route", [r for r in PAGES if r.answers["pending"] == "waiting"], ids=str)
def test_a_program_has_no_page(route, world):  # noqa: F811
    """Nobody can sign in as one; even a session would open nothing."""
    world.accounts["other"] = world.program
    assert outcome(ask(route, world, "other")) == "waiting"


def test_it_has_no_password_and_no_mailbox(program, practice, client):
    assert not program.has_usable_password()
    assert program.email.endswith(".invalid")
    url = reverse("api:token")
    answer = APIClient().post(url, {"email": program.email, "password": PASSWORD}, format="json")
    assert answer.status_code == 401
    client.post(reverse("account_login"), {"login": program.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    unconfirmed_delete()
    assert Doctor.objects.filter(pk=program.pk).exists()


def test_what_it_records_belongs_to_the_practice(program, practice):
    sent = {"patient_identifier": "PACS-1", "sex": "F", "birth_date": "1960-01-01"}
    answer = api(program, practice).post(
        reverse("api:radiograph-list"),
        {"file": SimpleUploadedFile("a.dcm", dicom_bytes())} | sent,
        format="multipart",
    )
    assert answer.status_code == 202
    patient = Patient.objects.get()
    assert (patient.owner, patient.practice) == (program, practice)
    for role, sees, treats in (("owner", 1, 1), ("doctor", 1, 1), ("reader", 1, 0)):
        doctor = member(practice, role)
        assert Patient.objects.visible_to(doctor).count() == sees
        assert Patient.objects.treated_by(doctor).count() == treats
    page = browser(member(practice, "doctor")).get(reverse("patients:list")).content.decode()
    assert "PACS 2" in page


def test_it_sees_what_is_shared_and_nothing_else(program, practice):
    doctor = member(practice, "doctor")
    shared = PatientFactory(owner=doctor, practice=practice)
    PatientFactory(owner=doctor)
    PatientFactory()
    found = api(program, practice).get(reverse("api:patient-list")).json()["results"]
    assert [one["id"] for one in found] == [str(shared.pk)]


def test_its_patients_are_answered_for_by_an_owner(program, practice):
    api(program, practice).post(reverse("api:patient-list"), PERSON, format="json")
    patient = Patient.objects.get()
    url = reverse("inference:patient_erasure", args=[patient.pk])
    assert browser(member(practice, "owner")).get(url).status_code == 200
    for role in ("doctor", "reader"):
        assert browser(member(practice, role)).get(url).status_code == 404
    # Nobody takes it out of the practice: then it would be nobody's.
    sharing = reverse("patients:sharing", args=[patient.pk])
    assert browser(member(practice, "owner")).post(sharing).status_code == 404
    # And no owner of another practice has a say.
    other = DoctorFactory()
    practice_of(owner=other)
    assert browser(other).get(url).status_code == 404


@pytest.mark.parametrize("role", ["doctor", "reader"])
def test_only_an_owner_makes_programs_and_tokens(role, program, practice):
    by = member(practice, role)
    for act in (
        lambda: program_create(practice=practice, by=by, name="Mine"),
        lambda: program_token_create(program=program, by=by),
        lambda: program_end(program=program, by=by),
    ):
        with pytest.raises(NotOwnerError):
            act()
    assert not AuthToken.objects.exists()


def test_it_outlives_who_made_it(program, practice):
    """It belongs to the practice: the maker leaves, the program goes on."""
    owner, doctor = member(practice, "owner"), member(practice, "doctor")
    client = api(program, practice)
    practice.memberships.filter(doctor=doctor).update(role="owner")
    Doctor.objects.filter(pk=doctor.pk).update(practice_role="owner")
    left(owner)
    assert client.get(reverse("api:patient-list")).status_code == 200
    doctor.refresh_from_db()
    with pytest.raises(NotOwnerError):
        program_token_create(program=program, by=owner)
    program_end(program=program, by=doctor)
    assert client.get(reverse("api:patient-list")).status_code == 401


def test_it_ends_with_the_practice(practice, program):
    client = api(program, practice)
    for role in ("reader", "doctor", "owner"):
        left(member(practice, role))
    assert client.get(reverse("api:patient-list")).status_code == 401
    program.refresh_from_db()
    assert not program.is_active


def test_there_are_only_so_many(practice):
    owner = member(practice, "owner")
    for number in range(MOST_PROGRAMS):
        program_create(practice=practice, by=owner, name=f"P{number}")
    with pytest.raises(TooManyProgramsError):
        program_create(practice=practice, by=owner, name="One more")


def test_the_page_makes_one_shows_its_token_once_and_ends_it(practice):
    owner = member(practice, "owner")
    client, url = browser(owner), reverse("accounts:practice")
    assert client.post(reverse("accounts:program_new"), {"name": ""}).status_code == 422
    client.post(reverse("accounts:program_new"), {"name": "Archive"})
    program = Doctor.objects.get(is_service=True)
    answer = client.post(reverse("accounts:program_token", args=[program.pk]))
    assert answer.status_code == 201
    hint = AuthToken.objects.get(user=program).token_key[:8]
    page = client.get(url).content.decode()
    assert "Archive" in page
    assert hint in page
    assert "Archive" not in browser(member(practice, "doctor")).get(url).content.decode()
    stranger = DoctorFactory()
    practice_of(owner=stranger)
    for name in ("accounts:program_token", "accounts:program_end"):
        assert browser(stranger).post(reverse(name, args=[program.pk])).status_code == 404
        # A person's account is no program.
        assert client.post(reverse(name, args=[owner.pk])).status_code == 404
    client.post(reverse("accounts:program_end", args=[program.pk]))
    assert not AuthToken.objects.filter(user=program).exists()
    makers = AccessEvent.objects.filter(object_type="accounts.doctor", object_id=str(program.pk))
    assert list(makers.order_by("pk").values_list("actor", "action")) == [
        (owner.pk, "create"),
        (owner.pk, "update"),
        (owner.pk, "delete"),
    ]
    assert not mail.outbox
