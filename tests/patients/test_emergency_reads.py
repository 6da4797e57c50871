"""What is looked at by emergency access says so, in the record and to those concerned."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from operations.models import AccessEvent
from operations.services import access_record
from patients.emergency import emergency_close, emergency_open
from patients.models import EmergencyAccess, Patient
from tests.accounts.factories import AdminFactory, DoctorFactory, practice_of, token_for
from tests.inference.factories import AnalysisFactory

from .factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_was_seen_lately():
    cache.clear()


@pytest.fixture
def doctor():
    return DoctorFactory(last_name="Absent")


@pytest.fixture
def reader():
    return DoctorFactory(last_name="Reader")


@pytest.fixture
def owner():
    return DoctorFactory(last_name="Chief")


@pytest.fixture
def practice(doctor, reader, owner):
    return practice_of(owner=owner, doctor=doctor, reader=reader)


@pytest.fixture
def analysis(practice, doctor):
    patient = PatientFactory(owner=doctor, identifier="SECRET-77")
    analysis = AnalysisFactory(radiograph__patient=patient)
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    return analysis


@pytest.fixture
def patient(analysis):
    return analysis.radiograph.patient


def opened(patient, by) -> EmergencyAccess:
    return emergency_open(
        by=by,
        colleague=patient.owner,
        identifier=patient.identifier,
        birth_date=patient.birth_date,
        cause="emergency",
        comment="Acute dyspnoea in the waiting room.",
    )


def browser(doctor) -> Client:
    client = Client()
    client.force_login(doctor)
    return client


def reasons(actor) -> list[str]:
    """Of what ``actor`` looked at since, without the event that opened the patient."""
    reads = AccessEvent.objects.filter(actor=actor, action="read").order_by("pk")
    return [event.reason for event in reads if event.route != ""]


def addresses(analysis) -> dict[str, str]:
    patient, radiograph = analysis.radiograph.patient_id, analysis.radiograph_id
    return {
        "patient": reverse("patients:detail", args=[patient]),
        "reading": reverse("inference:reading", args=[radiograph]),
        "preview": reverse("radiology:preview", args=[radiograph]),
        "accesses": reverse("patients:accesses", args=[patient]),
        "api patient": reverse("api:patient-detail", args=[patient]),
        "api radiograph": reverse("api:radiograph-detail", args=[radiograph]),
        "api analysis": reverse("api:analysis-detail", args=[analysis.pk]),
        "api radiographs of the patient": reverse("api:radiograph-list") + f"?patient={patient}",
        "api analyses of it": reverse("api:analysis-list") + f"?radiograph={radiograph}",
    }


NAMES = (
    "patient",
    "reading",
    "preview",
    "accesses",
    "api patient",
    "api radiograph",
    "api analysis",
    "api radiographs of the patient",
    "api analyses of it",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_look_that_only_it_allowed_carries_it(name, analysis, patient, reader):
    emergency = opened(patient, reader)
    client = browser(reader)
    if name.startswith("api"):
        client = Client(headers={"authorization": f"Token {token_for(reader)}"})
    answer = client.get(addresses(analysis)[name])
    assert answer.status_code == 200
    answer.getvalue()
    events = AccessEvent.objects.filter(actor=reader).exclude(route="")
    assert events
    for event in events:
        assert event.reason == f"break_glass:{emergency.pk}", event
        assert event.patient == str(patient.pk)
        assert event.address


def test_what_needs_it_not_does_not_carry_it(analysis, patient, practice, reader, doctor):
    opened(patient, reader)
    own = PatientFactory(owner=reader)
    shared = PatientFactory(owner=doctor, practice=practice)
    client = browser(reader)
    for one in (own, shared):
        assert client.get(reverse("patients:detail", args=[one.pk])).status_code == 200
    # The doctor shares the patient after all: from now on the practice is why.
    patient.practice = practice
    patient.save()
    client.get(reverse("patients:detail", args=[patient.pk]))
    client.get(reverse("patients:list"))
    assert reasons(reader) == ["", "", "", ""]
    browser(doctor).get(reverse("patients:detail", args=[patient.pk]))
    assert reasons(doctor) == [""]


def test_a_look_from_before_does_not_hide_it(analysis, patient, practice, reader):
    """The same read within five minutes counts once: this one is not the same."""
    patient.practice = practice
    patient.save()
    client, page = browser(reader), reverse("patients:detail", args=[patient.pk])
    client.get(page)
    patient.practice = None
    patient.save()
    emergency = opened(patient, reader)
    client.get(page)
    client.get(page)
    assert reasons(reader) == ["", f"break_glass:{emergency.pk}"]


def test_it_ends_while_the_page_is_made(analysis, patient, reader):
    emergency = opened(patient, reader)
    emergency_close(emergency=emergency, by=patient.owner)
    access_record(actor=reader, action="read", obj=analysis)
    assert AccessEvent.objects.first().reason == f"break_glass:{emergency.pk}"


def test_the_last_one_counts_and_not_one_of_yesterday(analysis, patient, reader):
    old = opened(patient, reader)
    old.ends_at = timezone.now() - timedelta(hours=1)
    old.save()
    second, third = opened(patient, reader), opened(patient, reader)
    access_record(actor=reader, action="read", obj=patient)
    assert AccessEvent.objects.first().reason == f"break_glass:{third.pk}"
    assert second.pk != third.pk


def test_it_costs_nobody_else_a_query(
    analysis, patient, practice, reader, doctor, owner, django_assert_num_queries
):
    shared = PatientFactory(owner=doctor, practice=practice)
    for actor in (doctor, owner, DoctorFactory(), AdminFactory(), None):
        with django_assert_num_queries(1):
            access_record(actor=actor, action="read", obj=shared)
    opened(patient, reader)
    reader.refresh_from_db()
    with django_assert_num_queries(2):
        access_record(actor=reader, action="read", obj=patient)


def test_the_access_rule_asks_only_for_who_has_opened_something(patient, reader, owner):
    opened(patient, reader)
    assert "emergency" not in str(Patient.objects.visible_to(owner).query)
    reader.refresh_from_db()
    assert "emergency" in str(Patient.objects.visible_to(reader).query)


@pytest.mark.parametrize("words", ["", "%20", "0"])
def test_a_filter_that_names_nobody_lists_nobody_who_was_opened(words, patient, reader):
    opened(patient, reader)
    client = Client(headers={"authorization": f"Token {token_for(reader)}"})
    for address in (
        reverse("api:radiograph-list") + f"?patient={words}",
        reverse("api:analysis-list") + f"?radiograph={words}",
    ):
        answer = client.get(address)
        assert answer.status_code == 400 or answer.json()["results"] == []


def test_those_concerned_see_what_was_looked_at(analysis, patient, reader, doctor, owner):
    emergency = opened(patient, reader)
    browser(reader).get(reverse("inference:reading", args=[analysis.radiograph_id]))
    page = reverse("patients:emergency")
    for one in (doctor, owner, reader):
        row = next(iter(browser(one).get(page).context["rows"]))
        assert row.emergency == emergency
        assert [look.event.object_type for look in row.looks] == [
            "radiology.radiograph",
            "patients.patient",
        ]
        assert "Radiograph" in browser(one).get(page).text
    text = browser(doctor).get(reverse("patients:accesses", args=[patient.pk])).text
    assert text.count(f"{page}#emergency-{emergency.pk}") == 2
    stranger = browser(DoctorFactory()).get(page)
    assert list(stranger.context["rows"]) == []


def test_many_looks_are_counted_and_the_newest_shown(
    analysis, patient, reader, doctor, django_assert_num_queries
):
    emergency = opened(patient, reader)
    for _each in range(30):
        access_record(
            actor=reader, action="read", obj=analysis, reason=f"break_glass:{emergency.pk}"
        )
    row = browser(doctor).get(reverse("patients:emergency")).context["rows"][0]
    assert (row.number, len(row.looks)) == (31, 20)


def test_an_administrator_sees_and_exports_why(admin_client, analysis, patient, reader):
    emergency = opened(patient, reader)
    browser(reader).get(reverse("inference:reading", args=[analysis.radiograph_id]))
    client = admin_client
    events = reverse("admin:operations_accessevent_changelist")
    detail = reverse("admin:patients_emergencyaccess_change", args=[emergency.pk])
    assert client.get(events).text.count(detail) == 2
    found = client.get(events, {"q": f"break_glass:{emergency.pk}"})
    assert len(found.context["cl"].result_list) == 2
    page = client.get(detail)
    assert page.status_code == 200
    link = page.text.partition(f"{events}?q=")[2].partition('"')[0]
    assert len(client.get(f"{events}?q={link}").context["cl"].result_list) == 2
    export = client.get(reverse("admin:operations_accessevent_export"))
    lines = csv.DictReader(io.StringIO(export.getvalue().decode().lstrip("\ufeff")))
    why = [line["reason"] for line in lines if line["patient"] == str(patient.pk)]
    assert why.count(f"break_glass:{emergency.pk}") == 2
