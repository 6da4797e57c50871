"""Patients shared with a practice: who sees them, who changes them, and when that ends."""

from __future__ import annotations

import csv
import io
from collections import Counter
from importlib import import_module
from io import BytesIO

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Doctor
from accounts.practices.services import member_end, member_role_set, practice_create
from inference.models import Analysis
from inference.privacy.erasure import erasure_carry_out, erasure_request
from inference.services import analysis_request, reading_submit
from operations.models import AccessEvent
from patients.errors import NoPracticeError
from patients.models import Erasure, Patient
from patients.services import patient_get_or_create
from patients.sharing import patient_share, patient_unshare
from radiology.models import Radiograph
from tests.accounts.factories import DoctorFactory, joined, left, token_for
from tests.api.problems import assert_problem
from tests.inference.factories import AnalysisFactory
from tests.radiology.factories import dicom_bytes

from .factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    doctor = DoctorFactory()
    practice_create(by=doctor, name="Cabinet")
    doctor.refresh_from_db()
    return doctor


@pytest.fixture
def colleague(owner):
    return joined(owner.practice, DoctorFactory())


@pytest.fixture
def reader(owner):
    return joined(owner.practice, DoctorFactory(), role="reader")


@pytest.fixture
def analysis(owner):
    """A reading of a patient whom the owner shares."""
    patient = PatientFactory(owner=owner, identifier="SHARED-1")
    patient_share(patient=patient, by=owner)
    patient.refresh_from_db()
    return AnalysisFactory(radiograph__patient=patient)


@pytest.fixture
def patient(analysis):
    return Patient.objects.get()


def browser(doctor) -> Client:
    client = Client()
    client.force_login(doctor)
    return client


def program(doctor) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_for(doctor)}")
    return client


def opened(client, url) -> int:
    """The status, with the answer read to its end."""
    answer = client.get(url)
    answer.getvalue()
    return answer.status_code


def sees(doctor) -> list[int]:
    """How many patients, radiographs and analyses the rule gives to the account as it is now."""
    doctor = Doctor.objects.get(pk=doctor.pk)
    return [model.objects.visible_to(doctor).count() for model in (Patient, Radiograph, Analysis)]


def test_only_what_is_shared_is_seen_and_only_by_the_practice(owner, colleague, reader, analysis):
    AnalysisFactory(radiograph__patient=PatientFactory(owner=owner))
    elsewhere = DoctorFactory()
    practice_create(by=elsewhere, name="Elsewhere")
    assert sees(owner) == [2, 2, 2]
    assert sees(colleague) == sees(reader) == [1, 1, 1]
    assert sees(elsewhere) == [0, 0, 0]


def test_a_colleague_learns_nothing_of_identifiers_that_are_not_shared(owner, colleague, patient):
    PatientFactory(owner=owner, identifier="PRIVATE-1")
    page = reverse("patients:update", args=[patient.pk])
    row = {"sex": "F", "birth_date": "1950-01-01", "training_consent": "given"}
    assert "disabled" in browser(colleague).get(page).context["form"]["identifier"].as_widget()
    for identifier in ("PRIVATE-1", "NOBODYS-1"):
        answer = browser(colleague).post(page, row | {"identifier": identifier})
        assert answer.status_code == 302
        answer = program(colleague).patch(
            f"/api/v1/patients/{patient.pk}/", {"identifier": identifier}
        )
        assert_problem(answer, 403, "identifier_of_owner")
        patient.refresh_from_db()
        assert (patient.identifier, patient.training_consent) == ("SHARED-1", "given")
    assert browser(owner).post(page, row | {"identifier": "PRIVATE-1"}).status_code == 422
    assert browser(owner).post(page, row | {"identifier": "MINE-2"}).status_code == 302


def test_without_a_practice_the_rule_asks_for_nothing_more(analysis):
    """No practice is not "the same practice": a patient of nobody's practice stays closed."""
    PatientFactory()
    alone = DoctorFactory()
    assert sees(alone) == [0, 0, 0]
    assert '"practice_id" =' not in str(Patient.objects.visible_to(alone).query)


@pytest.mark.parametrize("way", ["leave", "remove", "unshare", "owner leaves", "suspend"])
def test_access_ends_at_the_next_request(way, owner, colleague, analysis, patient):
    """The colleague's session and token stay as they are: no logging in again in between."""
    page, api = browser(colleague), program(colleague)
    radiograph = analysis.radiograph_id
    doors = [
        (page, reverse("patients:detail", args=[patient.pk])),
        (page, reverse("inference:reading", args=[radiograph])),
        (page, reverse("radiology:dicom", args=[radiograph])),
        (api, reverse("api:patient-detail", args=[patient.pk])),
        (api, reverse("api:radiograph-dicom", args=[radiograph])),
        (api, reverse("api:analysis-detail", args=[analysis.pk])),
    ]
    assert {opened(client, url) for client, url in doors} == {200}
    if way == "leave":
        left(colleague)
    elif way == "remove":
        member_end(membership=colleague.memberships.get(is_open=True), by=owner)
    elif way == "unshare":
        patient_unshare(patient=patient, by=owner)
    elif way == "owner leaves":
        member_role_set(membership=colleague.memberships.get(is_open=True), role="owner", by=owner)
        left(owner)
    else:
        Doctor.objects.filter(pk=colleague.pk).update(verification="suspended")
    closed = {opened(client, url) for client, url in doors}
    assert closed == ({302, 403} if way == "suspend" else {404})


def test_who_left_and_comes_back_to_another_practice_sees_nothing_old(owner, colleague, analysis):
    left(colleague)
    practice_create(by=colleague, name="Mine")
    assert sees(colleague) == [0, 0, 0]


def test_a_reader_changes_nothing_by_any_door(reader, analysis, patient):
    page, api = browser(reader), program(reader)
    failed = AnalysisFactory(failed=True, radiograph__patient=patient)
    before = list(Patient.objects.values()), list(Analysis.objects.order_by("pk").values())
    person = {"identifier": "X", "sex": "F", "birth_date": "1960-01-01"}
    posts = [
        page.post(reverse("patients:update", args=[patient.pk]), person),
        page.post(reverse("patients:sharing", args=[patient.pk]), {}),
        page.post(reverse("inference:review", args=[analysis.pk]), {"verdict": "approved"}),
        page.post(reverse("inference:worklist_approve", args=[analysis.pk])),
        page.post(reverse("inference:retry", args=[failed.radiograph_id])),
        page.post(reverse("inference:patient_export", args=[patient.pk])),
        page.post(reverse("inference:patient_erasure", args=[patient.pk]), {"cause": "patient"}),
        page.post(
            reverse("inference:second_reading_new", args=[analysis.radiograph_id]),
            {"address": "somebody@example.org"},
        ),
        api.patch(reverse("api:patient-detail", args=[patient.pk]), {"sex": "O"}),
        api.post(reverse("api:analysis-reviews", args=[analysis.pk]), {"verdict": "approved"}),
        api.post(reverse("api:analysis-retry", args=[failed.pk])),
    ]
    assert {answer.status_code for answer in posts} == {404}
    answer = page.post(
        reverse("inference:worklist_reread"), {"radiograph": failed.radiograph_id}, follow=True
    )
    assert answer.status_code == 200
    after = list(Patient.objects.values()), list(Analysis.objects.order_by("pk").values())
    assert after == before


def test_a_reader_is_not_offered_what_they_may_not_do(reader, analysis, patient):
    page = browser(reader)
    reading = page.get(reverse("inference:reading", args=[analysis.radiograph_id]))
    text = reading.content.decode()
    assert patient.identifier in text
    assert str(patient.owner) in text
    assert reverse("inference:review", args=[analysis.pk]) not in text
    assert f"?patient={patient.pk}" not in text
    detail = page.get(reverse("patients:detail", args=[patient.pk])).content.decode()
    for name in ("patients:update", "inference:patient_export", "inference:patient_erasure"):
        assert reverse(name, args=[patient.pk]) not in detail
    choices = page.post(reverse("patients:search"), {"q": "SHARED", "as": "choices"})
    assert "SHARED-1" not in choices.content.decode()


def test_a_colleague_judges_and_the_owners_worklist_knows(owner, colleague, analysis):
    url = reverse("inference:review", args=[analysis.pk])
    assert browser(colleague).post(url, {"verdict": "approved"}).status_code == 302
    analysis.refresh_from_db()
    assert analysis.judgement == "approved"
    assert analysis.reviews.get().doctor == colleague


def test_the_patients_own_doctor_alone_shares_and_takes_back(owner, colleague, patient):
    for doctor in (colleague, DoctorFactory()):
        for service in (patient_share, patient_unshare):
            with pytest.raises((Patient.DoesNotExist, NoPracticeError)):
                service(patient=patient, by=doctor)
    url = reverse("patients:sharing", args=[patient.pk])
    client = browser(owner)
    assert client.post(url).status_code == 302
    patient.refresh_from_db()
    assert patient.practice is None
    # Whatever practice the form names, it is the doctor's own.
    foreign = DoctorFactory()
    theirs = practice_create(by=foreign, name="Theirs")
    client.post(url, {"share": "1", "practice": theirs.pk})
    patient.refresh_from_db()
    assert patient.practice == owner.practice
    reasons = AccessEvent.objects.filter(patient=str(patient.pk)).exclude(reason="")
    assert list(reasons.order_by("pk").values_list("reason", flat=True)) == [
        "shared",
        "unshared",
        "shared",
    ]


def test_a_practice_can_not_be_set_by_the_api_or_the_form(owner, colleague):
    mine = PatientFactory(owner=colleague)
    person = {"identifier": "X", "sex": "F", "birth_date": "1960-01-01"}
    extra = {"practice": str(owner.practice_id), "owner": owner.pk}
    program(colleague).patch(reverse("api:patient-detail", args=[mine.pk]), extra, format="json")
    browser(colleague).post(reverse("patients:update", args=[mine.pk]), person | extra)
    mine.refresh_from_db()
    assert (mine.practice, mine.owner) == (None, colleague)


def test_who_has_no_practice_can_not_share():
    patient = PatientFactory()
    with pytest.raises(NoPracticeError):
        patient_share(patient=patient, by=patient.owner)


def test_two_doctors_of_a_practice_may_use_the_same_identifier(owner, colleague, patient):
    """Each doctor's numbers are their own: a colleague's patient is never taken for mine."""
    who = {"identifier": "SHARED-1", "sex": "F", "birth_date": patient.birth_date}
    mine = patient_get_or_create(owner=colleague, **who)
    assert mine != patient
    assert mine.owner == colleague
    answer = program(colleague).post(
        reverse("api:patient-search"), {"identifier": "shared-1"}, format="json"
    )
    found = {one["id"]: one["own"] for one in answer.json()["results"]}
    assert found == {str(mine.pk): True, str(patient.pk): False}


def test_lists_show_the_practice_when_asked_and_say_whose_it_is(owner, colleague, analysis):
    client, api = browser(colleague), program(colleague)
    for name in ("inference:worklist", "inference:list"):
        mine = client.get(reverse(name)).content.decode()
        theirs = client.get(reverse(name) + "?whose=practice").content.decode()
        assert "SHARED-1" not in mine
        assert "SHARED-1" in theirs
        assert str(owner) in theirs
    assert str(owner) in client.get(reverse("patients:list")).content.decode()
    for name in ("api:radiograph-list", "api:analysis-list"):
        url = reverse(name)
        assert api.get(url).json()["results"] == []
        assert len(api.get(f"{url}?whose=practice").json()["results"]) == 1
    url = f"{reverse('api:radiograph-list')}?patient={analysis.radiograph.patient_id}"
    assert len(api.get(url).json()["results"]) == 1


def test_asking_for_the_practice_without_one_shows_nothing(analysis):
    alone = DoctorFactory()
    AnalysisFactory(radiograph__patient=PatientFactory())
    assert (
        "SHARED"
        not in browser(alone)
        .get(reverse("inference:worklist") + "?whose=practice")
        .content.decode()
    )
    url = reverse("api:radiograph-list") + "?whose=practice"
    assert program(alone).get(url).json()["results"] == []


def test_the_practices_file_says_whose_each_row_is(owner, colleague, analysis):
    answer = browser(colleague).post(
        reverse("inference:worklist_export"), {"what": "all", "place": "whose=practice"}
    )
    text = answer.getvalue().decode("utf-8-sig")
    [_heading, row] = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert "SHARED-1" in row
    assert row[-1] == str(owner)
    events = AccessEvent.objects.filter(actor=colleague, channel="export")
    assert [event.patient for event in events] == [str(analysis.radiograph.patient_id)]


@pytest.mark.parametrize("name", ["inference:worklist", "inference:list", "patients:list"])
def test_the_practices_list_costs_the_same_for_any_number_of_rows(
    name, owner, colleague, analysis, django_assert_max_num_queries
):
    client, url = browser(colleague), reverse(name) + "?whose=practice"
    for _ in range(4):
        patient = PatientFactory(owner=owner)
        patient_share(patient=patient, by=owner)
        AnalysisFactory(radiograph__patient=patient)
    budget = {"inference:worklist": 12, "inference:list": 7, "patients:list": 6}[name]
    with django_assert_max_num_queries(budget):
        client.get(url)


def test_a_shared_patient_is_erased_whole(owner, colleague, analysis, patient):
    erasure = erasure_request(patient=patient, by=owner, cause="patient")
    if erasure.state == Erasure.State.PENDING:
        erasure_carry_out(erasure=erasure, by=None, reason="asked")
    assert sees(owner) == sees(colleague) == [0, 0, 0]


# --- The practice, repeated on the analyses ------------------------------------------------


def repeated() -> list:
    """The practice of each analysis; fails where one says another than its patient."""
    rows = Analysis.objects.order_by("pk")
    rows = rows.values_list("practice", "radiograph__patient__practice")
    assert all(practice == of_patient for practice, of_patient in rows)
    return [practice for practice, _of_patient in rows]


def listed(doctor) -> list:
    answer = browser(doctor).get(reverse("inference:worklist"), {"whose": "practice"})
    return [row.pk for row in answer.context["page"]]


def test_the_analyses_follow_their_patient(owner, colleague):
    """An older one too, and those that are written while the patient is shared."""
    patient = PatientFactory(owner=owner)
    first = AnalysisFactory(radiograph__patient=patient)
    other = AnalysisFactory(radiograph__patient=PatientFactory(owner=owner))
    assert listed(colleague) == []
    patient_share(patient=patient, by=owner)
    second = analysis_request(radiograph=first.radiograph, requested_by=colleague)
    sent = reading_submit(
        patient=patient, uploaded_by=colleague, file=BytesIO(dicom_bytes()), confirm_mismatch=True
    )
    practice = owner.practice_id
    assert Counter(repeated()) == {practice: 3, None: 1}
    assert set(listed(colleague)) == {second.pk, sent.analysis.pk}
    patient_unshare(patient=patient, by=owner)
    assert repeated() == [None] * 4
    assert listed(colleague) == listed(owner) == []
    assert other.practice is None


def test_the_analyses_of_who_leaves_are_listed_no_more(owner, colleague):
    theirs = AnalysisFactory(radiograph__patient=PatientFactory(owner=colleague))
    kept = AnalysisFactory(radiograph__patient=PatientFactory(owner=owner))
    patient_share(patient=theirs.radiograph.patient, by=colleague)
    patient_share(patient=kept.radiograph.patient, by=owner)
    assert set(listed(owner)) == {theirs.pk, kept.pk}
    left(colleague)
    assert Counter(repeated()) == {None: 1, owner.practice_id: 1}
    assert listed(owner) == [kept.pk]
    assert listed(Doctor.objects.get(pk=colleague.pk)) == []


def test_the_practice_is_copied_to_the_analyses_that_are_there(owner):
    fill = import_module("inference.migrations.0008_practice").fill
    shared = PatientFactory(owner=owner)
    patient_share(patient=shared, by=owner)
    AnalysisFactory(radiograph__patient=shared)
    AnalysisFactory(radiograph__patient=PatientFactory(owner=owner))
    Analysis.objects.update(practice=None)
    fill(apps, None)
    assert Counter(repeated()) == {owner.practice_id: 1, None: 1}
