"""Service accounts: whose they are, what a program may do, and when it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, Doctor
from accounts.practices.errors import NotOwnerError, TooManyProgramsError
from accounts.practices.programs import (
    MOST_PROGRAMS,
    program_create,
    program_end,
    program_token_create,
)
from accounts.services import unconfirmed_delete
from accounts.verification.services import doctor_suspend
from operations.models import AccessEvent
from patients.errors import PracticePatientsError
from patients.models import Patient
from tests.access_routes import API, FILTERS, PAGES
from tests.api.problems import assert_problem
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, dicom_bytes
from tests.test_access import ask, outcome, world  # noqa: F401

from .factories import PASSWORD, AdminFactory, DoctorFactory, left, practice_of

pytestmark = pytest.mark.django_db

PERSON = {"identifier": "PACS-1", "sex": "F", "birth_date": "1960-01-01"}
TOKEN = {"name": "PACS", "scopes": ["read", "upload"]}
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
    _token, text = program_token_create(owner=program, by=member(practice, "owner"), **TOKEN)
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
        lambda: program_token_create(owner=program, by=by, **TOKEN),
        lambda: program_end(program=program, by=by),
    ):
        with pytest.raises(NotOwnerError):
            act()
    assert not ApiToken.objects.exists()


def test_it_outlives_who_made_it_but_their_tokens_do_not_work(program, practice):
    """It belongs to the practice, and who left knows the text of the token that they made."""
    owner, doctor = member(practice, "owner"), member(practice, "doctor")
    old = api(program, practice)
    practice.memberships.filter(doctor=doctor).update(role="owner")
    Doctor.objects.filter(pk=doctor.pk).update(practice_role="owner")
    left(owner)
    assert_problem(old.get(reverse("api:patient-list")), 403, "token_maker")
    doctor.refresh_from_db()
    page = browser(doctor).get(reverse("accounts:program_token", args=[program.pk]))
    assert "ne fonctionne pas actuellement" in page.text
    _token, text = program_token_create(owner=program, by=doctor, **TOKEN)
    client = APIClient(headers={"authorization": f"Token {text}"})
    assert client.get(reverse("api:patient-list")).status_code == 200
    with pytest.raises(NotOwnerError):
        program_token_create(owner=program, by=owner, **TOKEN)
    program_end(program=program, by=doctor)
    assert client.get(reverse("api:patient-list")).status_code == 401


def test_it_ends_with_the_practice(practice, program):
    client = api(program, practice)
    for role in ("reader", "doctor", "owner"):
        left(member(practice, role))
    assert client.get(reverse("api:patient-list")).status_code == 401
    program.refresh_from_db()
    assert not program.is_active


OWNER_ENDS = {
    "suspended": lambda owner: doctor_suspend(doctor=owner, by=AdminFactory()),
    "closed": lambda owner: Doctor.objects.filter(pk=owner.pk).update(is_active=False),
    "expired": lambda owner: Doctor.objects.filter(pk=owner.pk).update(
        verified_until=timezone.localdate() - timedelta(days=1)
    ),
    "demoted": lambda owner: Doctor.objects.filter(pk=owner.pk).update(practice_role="doctor"),
}


@pytest.mark.parametrize("end", OWNER_ENDS)
def test_its_token_works_no_longer_than_who_made_it_may_make_one(end, program, practice):
    client = api(program, practice)
    assert client.get(reverse("api:patient-list")).status_code == 200
    OWNER_ENDS[end](member(practice, "owner"))
    assert_problem(client.get(reverse("api:patient-list")), 403, "token_maker")
    assert_problem(client.post(reverse("api:patient-list"), PERSON), 403, "token_maker")
    assert not Patient.objects.exists()


def test_an_administrator_ends_a_program(client_for, program, practice):
    client = api(program, practice)
    admin = client_for(AdminFactory())
    data = {"action": "suspend", "_selected_action": [program.pk]}
    admin.post(reverse("admin:accounts_doctor_changelist"), data)
    program.refresh_from_db()
    assert not program.is_active
    assert client.get(reverse("api:patient-list")).status_code == 401


def recorded(program, practice, **values) -> Patient:
    """A patient with a radiograph, as the program sent them."""
    patient = PatientFactory(owner=program, practice=practice, **values)
    AnalysisFactory(radiograph__patient=patient)
    return patient


def test_the_last_member_gets_what_programs_recorded(program, practice):
    for role in ("reader", "doctor"):
        left(member(practice, role))
    owner, patient = member(practice, "owner"), recorded(program, practice)
    page = browser(owner).get(reverse("accounts:practice"))
    assert "Vous êtes le dernier membre" in page.text
    left(owner)
    patient.refresh_from_db()
    assert (patient.owner, patient.practice) == (owner, None)
    owner.refresh_from_db()
    radiograph = patient.radiographs.get()
    client = browser(owner)
    assert client.get(reverse("inference:reading", args=[radiograph.pk])).status_code == 200
    assert str(radiograph.pk) in client.get(reverse("inference:list")).text
    assert client.get(reverse("inference:patient_erasure", args=[patient.pk])).status_code == 200
    event = AccessEvent.objects.get(reason="handed_over")
    assert (event.actor, event.patient) == (owner, str(patient.pk))


@pytest.mark.parametrize("same", ["identifier", "radiograph"])
def test_what_they_have_twice_keeps_the_last_member_in(same, program, practice):
    for role in ("reader", "doctor"):
        left(member(practice, role))
    owner = member(practice, "owner")
    patient = recorded(program, practice, identifier="Pacs-1")
    own = PatientFactory(owner=owner, identifier="PACS-1" if same == "identifier" else "OWN-1")
    if same == "radiograph":
        uid = patient.radiographs.get().sop_instance_uid
        RadiographFactory(patient=own, sop_instance_uid=uid)
    with pytest.raises(PracticePatientsError):
        left(owner)
    owner.refresh_from_db()
    patient.refresh_from_db()
    assert (owner.practice, patient.owner, patient.practice) == (practice, program, practice)
    assert patient.radiographs.get().owner == program
    program.refresh_from_db()
    assert program.is_active


def test_there_are_only_so_many(practice):
    owner = member(practice, "owner")
    for number in range(MOST_PROGRAMS):
        program_create(practice=practice, by=owner, name=f"P{number}")
    with pytest.raises(TooManyProgramsError):
        program_create(practice=practice, by=owner, name="One more")


def test_the_page_makes_one_shows_its_token_once_and_ends_it(
    practice, django_capture_on_commit_callbacks
):
    owner = member(practice, "owner")
    client, url = browser(owner), reverse("accounts:practice")
    assert client.post(reverse("accounts:program_new"), {"name": ""}).status_code == 422
    client.post(reverse("accounts:program_new"), {"name": "Archive"})
    program = Doctor.objects.get(is_service=True)
    asked = {"name": "Ward 3", "scopes": ["read", "upload"], "days": 30}
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("accounts:program_token", args=[program.pk]), asked)
    assert answer.status_code == 201
    # Whoever made it is told; the program has no mailbox.
    assert [message.to for message in mail.outbox] == [[owner.email]]
    page = client.get(url).content.decode()
    assert "Archive" in page
    assert "Ward 3" in page
    assert "Archive" not in browser(member(practice, "doctor")).get(url).content.decode()
    stranger = DoctorFactory()
    practice_of(owner=stranger)
    for name in ("accounts:program_token", "accounts:program_end"):
        assert browser(stranger).post(reverse(name, args=[program.pk])).status_code == 404
        # A person's account is no program.
        assert client.post(reverse(name, args=[owner.pk])).status_code == 404
    client.post(reverse("accounts:program_end", args=[program.pk]))
    assert not ApiToken.objects.filter(owner=program).exists()
    makers = AccessEvent.objects.filter(object_type="accounts.doctor", object_id=str(program.pk))
    assert list(makers.order_by("pk").values_list("actor", "action")) == [
        (owner.pk, "create"),
        (owner.pk, "update"),
        (owner.pk, "delete"),
    ]
