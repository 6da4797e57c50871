"""Emergency access: whom it opens, for how long, what it allows, who is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.practices.services import member_end
from operations.audit.anomalies import anomalies_find
from operations.models import AccessEvent, Anomaly
from patients.emergency import emergency_close, emergency_open
from patients.errors import EmergencyReasonError, EmergencyTriesError, EmergencyUnknownError
from patients.models import EmergencyAccess, Patient
from tests.access_routes import API, FILTERS, PAGES
from tests.accounts.factories import AdminFactory, DoctorFactory, joined, left, practice_of
from tests.inference.factories import AnalysisFactory
from tests.test_access import ask, outcome, world  # noqa: F401

from .factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_tries():
    cache.clear()


@pytest.fixture
def practice():
    return practice_of(owner=DoctorFactory(), doctor=DoctorFactory(), reader=DoctorFactory())


def member(practice, role):
    return practice.memberships.get(role=role, is_open=True).doctor


@pytest.fixture
def patient(practice):
    """A patient of the practice's doctor, not shared."""
    patient = PatientFactory(owner=member(practice, "doctor"), identifier="SECRET-77")
    AnalysisFactory(radiograph__patient=patient)
    return patient


def opened(patient, by, **changes) -> EmergencyAccess:
    values = {
        "colleague": patient.owner,
        "identifier": patient.identifier,
        "birth_date": patient.birth_date,
        "cause": "emergency",
        "comment": "Acute dyspnoea in the waiting room.",
    }
    return emergency_open(by=by, **values | changes)


def sees(doctor, patient) -> bool:
    return Patient.objects.visible_to(doctor).filter(pk=patient.pk).exists()


def browser(doctor) -> Client:
    client = Client()
    client.force_login(doctor)
    return client


def test_a_member_opens_a_patient_who_is_not_shared_for_a_while(practice, patient, settings):
    reader, owner = member(practice, "reader"), member(practice, "owner")
    assert not sees(reader, patient)
    emergency = opened(patient, reader, identifier="secret-77 ")
    assert sees(reader, patient)
    assert not sees(owner, patient), "nobody else"
    assert not Patient.objects.treated_by(reader).exists()
    length = emergency.ends_at - timezone.now()
    assert timedelta(hours=1.9) < length <= timedelta(hours=settings.BREAK_GLASS_HOURS)
    EmergencyAccess.objects.update(ends_at=timezone.now())
    assert not sees(reader, patient)


@pytest.mark.parametrize(
    "route",
    [r for r in PAGES + API + FILTERS if "former" in r.answers and r.answers["former"] == 404],
    ids=str,
)
def test_emergency_access_opens_what_a_reader_sees_and_no_more(route, world):  # noqa: F811
    """Every address about a patient: what is the answer to a reader of a shared one."""
    colleague = world.accounts["colleague"]
    world.practice.memberships.filter(doctor=colleague).update(role="doctor")
    world.patient.practice = None
    world.patient.save()
    if route.name.startswith(("accounts:", "patients:emergency", "patients:sharing")):
        return
    answer = outcome(ask(route, world, "colleague"))
    assert answer == route.answers["reader"]
    EmergencyAccess.objects.update(ends_at=timezone.now())
    assert outcome(ask(route, world, "colleague")) == route.answers["former"]


@pytest.mark.parametrize("way", ["leaves", "the doctor leaves", "removed", "ended"])
def test_it_ends_before_its_time(way, practice, patient):
    reader, owner = member(practice, "reader"), member(practice, "owner")
    emergency = opened(patient, reader)
    if way == "leaves":
        left(reader)
    elif way == "the doctor leaves":
        left(patient.owner)
    elif way == "removed":
        member_end(membership=reader.memberships.get(is_open=True), by=owner)
    else:
        emergency_close(emergency=emergency, by=patient.owner)
    reader.refresh_from_db()
    assert not sees(reader, patient)
    emergency.refresh_from_db()
    assert emergency.closed_at
    # And not again by coming back.
    if way in ("leaves", "removed"):
        joined(practice, reader, role="reader")
        assert not sees(reader, patient)


@pytest.mark.parametrize(
    "changes",
    [
        {"identifier": "SECRET-78"},
        {"identifier": "SECRET"},
        {"identifier": "%"},
        {"birth_date": timezone.localdate()},
        {"colleague": "owner"},
    ],
    ids=str,
)
def test_what_is_not_known_exactly_is_answered_alike_and_recorded(changes, practice, patient):
    reader = member(practice, "reader")
    if "colleague" in changes:
        changes = {"colleague": member(practice, "owner")}
    with pytest.raises(EmergencyUnknownError) as error:
        opened(patient, reader, **changes)
    assert str(error.value) == str(EmergencyUnknownError())
    event = AccessEvent.objects.latest("pk")
    assert (event.action, event.object_type, event.patient) == ("refused", "refusal.emergency", "")
    assert not sees(reader, patient)


def test_outside_the_practice_nobody_opens_anything(practice, patient):
    stranger = DoctorFactory()
    practice_of(owner=DoctorFactory(), doctor=stranger)
    for doctor in (stranger, DoctorFactory()):
        with pytest.raises(EmergencyUnknownError):
            opened(patient, doctor)
        data = {"colleague": patient.owner_id, "identifier": "SECRET-77", "cause": "emergency"}
        data |= {"birth_date": patient.birth_date.isoformat(), "comment": "x"}
        answer = browser(doctor).post(reverse("patients:emergency"), data)
        assert answer.status_code == 422
    assert not EmergencyAccess.objects.exists()


def test_who_has_left_a_moment_ago_opens_nothing(practice, patient):
    reader = member(practice, "reader")
    as_the_request_knew_it = type(reader).objects.get(pk=reader.pk)
    left(reader)
    with pytest.raises(EmergencyUnknownError):
        opened(patient, as_the_request_knew_it)


def test_it_is_nothing_when_the_patients_doctor_left_in_the_same_moment(practice, patient):
    """The row was written after those of the leaving doctor were closed: the rule asks as well."""
    reader = member(practice, "reader")
    opened(patient, reader)
    type(reader).objects.filter(pk=patient.owner_id).update(practice=None, practice_role="")
    assert not sees(reader, patient)


def test_a_reason_is_needed(practice, patient):
    with pytest.raises(EmergencyReasonError):
        opened(patient, member(practice, "reader"), comment="  ")


def test_only_so_many_tries(practice, patient, settings):
    settings.BREAK_GLASS_TRIES = 3
    reader = member(practice, "reader")
    for number in range(3):
        with pytest.raises(EmergencyUnknownError):
            opened(patient, reader, identifier=f"GUESS-{number}")
    with pytest.raises(EmergencyTriesError):
        opened(patient, reader)
    assert not EmergencyAccess.objects.exists()


def test_those_concerned_are_told_and_nothing_of_the_patient_is_in_the_mail(
    practice, patient, django_capture_on_commit_callbacks
):
    reader, owner = member(practice, "reader"), member(practice, "owner")
    with django_capture_on_commit_callbacks(execute=True):
        emergency = opened(patient, reader)
    assert sorted(message.to[0] for message in mail.outbox) == sorted(
        [patient.owner.email, owner.email]
    )
    for message in mail.outbox:
        for value in (patient.identifier, str(patient.pk), str(patient.birth_date), "dyspnoea"):
            assert value not in message.subject + message.body
    link = reverse("patients:emergency")
    for doctor in (patient.owner, owner):
        assert link in browser(doctor).get(reverse("accounts:account")).content.decode()
    assert link not in browser(reader).get(reverse("accounts:account")).content.decode()
    page = browser(owner).get(link).content.decode()
    assert str(reader) in page
    assert "dyspnoea" in page
    assert patient.identifier not in page, "an owner is no doctor of the patient"
    assert patient.identifier in browser(patient.owner).get(link).content.decode()
    client = browser(patient.owner)
    client.post(reverse("patients:emergency_noted"))
    assert "nav-alert" not in client.get(reverse("accounts:account")).content.decode()
    emergency.refresh_from_db()
    assert emergency.seen_at


def test_it_is_an_event_with_its_reason_and_in_the_list_of_what_stands_out(practice, patient):
    reader = member(practice, "reader")
    emergency = opened(patient, reader)
    event = AccessEvent.objects.get(reason=f"break_glass:{emergency.pk}")
    assert (event.actor, event.action, event.patient) == (reader, "read", str(patient.pk))
    anomalies_find()
    assert Anomaly.objects.get(kind=Anomaly.Kind.BREAK_GLASS).actor == reader
    text = browser(patient.owner).get(reverse("patients:accesses", args=[patient.pk]))
    assert "urgence" in text.content.decode() or "emergency" in text.content.decode()


def test_the_page_opens_shows_and_ends(practice, patient):
    reader = member(practice, "reader")
    client, url = browser(reader), reverse("patients:emergency")
    data = {
        "colleague": patient.owner_id,
        "identifier": "SECRET-77",
        "birth_date": patient.birth_date.isoformat(),
        "cause": "absent",
        "comment": "Needs a decision now.",
    }
    assert client.post(url, data | {"comment": ""}).status_code == 422
    assert client.post(url, data | {"identifier": "OTHER"}).status_code == 404
    answer = client.post(url, data)
    detail = reverse("patients:detail", args=[patient.pk])
    assert answer["Location"] == detail
    emergency = EmergencyAccess.objects.get()
    assert reverse("patients:emergency_end", args=[emergency.pk]) in (
        client.get(detail).content.decode()
    )
    stranger = browser(DoctorFactory())
    end = reverse("patients:emergency_end", args=[emergency.pk])
    assert stranger.post(end).status_code == 404
    client.post(end)
    assert client.get(detail).status_code == 404


def test_an_opened_patient_is_in_no_list(practice, patient):
    reader = member(practice, "reader")
    opened(patient, reader)
    client = browser(reader)
    for name in ("patients:list", "inference:list", "inference:worklist"):
        for query in ("", "?whose=practice"):
            assert "SECRET-77" not in client.get(reverse(name) + query).content.decode()
    answer = client.post(reverse("patients:search"), {"q": "SECRET"})
    assert "SECRET-77" not in answer.content.decode()


def test_an_administrator_sees_them(practice, patient):
    emergency = opened(patient, member(practice, "reader"))
    client = browser(AdminFactory())
    url = reverse("admin:patients_emergencyaccess_changelist")
    assert str(emergency.doctor) in client.get(url).content.decode()


def test_without_a_practice_the_rule_asks_nothing_more(django_assert_num_queries):
    assert "emergency" not in str(Patient.objects.visible_to(DoctorFactory()).query)
