"""A doctor's own data as one archive: whole, described, without patients and secrets, recorded."""

import json
import tracemalloc
from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import Doctor, Practice, PracticeMembership, RegistrationProof
from accounts.tokens.services import token_create
from inference.privacy.doctor_export import CHUNK, FEW, MANY, doctor_export, doctor_format
from inference.services import review_create
from operations.models import AccessEvent
from operations.services import access_record
from patients.models import EmergencyAccess
from radiology.models import SecondReading
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.inference.test_patient_export import opened
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

OWN = "inference:account_export"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def lines(archive, name: str) -> list[dict]:
    return [json.loads(line) for line in archive.read(f"{name}.jsonl").splitlines()]


@pytest.fixture
def busy(doctor):
    """A doctor who has left a row in every table that is told; the words that must not be told."""
    analysis = AnalysisFactory(
        radiograph__patient__owner=doctor,
        radiograph__patient__identifier="IPP-4711",
        radiograph__patient__birth_date="1931-07-09",
        requested_by=doctor,
        label="lung_opacity",
    )
    radiograph = analysis.radiograph
    review_create(
        analysis=analysis,
        doctor=doctor,
        verdict="contested",
        label="normal",
        reason="artefact",
        comment="Madame Planted has a pacemaker",
    )
    SecondReading.objects.create(
        radiograph=radiograph, asked_by=doctor, address="colleague@example.org"
    )
    practice = Practice.objects.create(name="Cabinet du Port")
    PracticeMembership.objects.create(practice=practice, doctor=doctor, role="owner")
    other = PatientFactory(identifier="IPP-0815")
    EmergencyAccess.objects.create(
        patient=other,
        doctor=doctor,
        practice=practice,
        cause="absent",
        comment="Monsieur Planted, unconscious",
        ends_at=timezone.now(),
    )
    _token, text = token_create(owner=doctor, name="Archive", scopes=["read"])
    TOTP.activate(doctor, SECRET)
    UserSession.objects.create(
        user=doctor, session_key="k" * 32, ip="192.0.2.9", user_agent="Firefox on a ward"
    )
    proof = RegistrationProof(doctor=doctor, content_type="application/pdf")
    proof.file.save("", ContentFile(b"%PDF proof"), save=False)
    proof.save()
    doctor.refresh_from_db()
    return text


def test_all_that_is_known_and_nobody_else(doctor_client, doctor, busy):
    someone = AnalysisFactory(label="normal")
    access_record(actor=AdminFactory(last_name="Chief"), action="read", obj=doctor)
    access_record(actor=someone.radiograph.patient.owner, action="read", obj=someone)

    response = doctor_client.post(reverse(OWN))

    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "private, no-store"
    archive = opened(response)
    told = json.loads(archive.read("account.json"))
    assert (told["format"], told["version"]) == ("pneumoniapp-doctor", 1)
    assert told["account"]["email"] == doctor.email
    assert told["account"]["registration_number"] == doctor.registration_number
    assert told["email_addresses"][0]["email"] == doctor.email
    assert told["memberships"][0]["practice__name"] == "Cabinet du Port"
    assert told["emergency_accesses"][0]["cause"] == "absent"
    assert told["api_tokens"][0]["name"] == "Archive"
    assert told["second_factors"][0]["type"] == "totp"
    assert "Firefox on a ward" in {row["user_agent"] for row in told["sessions"]}
    proof = RegistrationProof.objects.get()
    assert archive.read(f"proofs/{proof.pk}") == b"%PDF proof"

    analysis = doctor.reviews.get().analysis
    assert [row["id"] for row in lines(archive, "patients")] == [
        str(analysis.radiograph.patient_id)
    ]
    [judgement] = lines(archive, "judgements")
    assert judgement["label"] == "normal"
    assert judgement["analysis__radiograph"] == str(analysis.radiograph_id)
    assert len(lines(archive, "second_readings")) == 1
    assert [row["id"] for row in lines(archive, "radiographs")] == [str(analysis.radiograph_id)]
    assert [row["id"] for row in lines(archive, "analyses")] == [str(analysis.pk)]
    accesses = lines(archive, "accesses")
    assert accesses[-1]["reason"] == "doctor_export"
    assert "create" in {row["action"] for row in accesses}
    assert {row["action"] for row in lines(archive, "accesses_to_the_account")} >= {"read"}

    whole = b"".join(archive.read(name) for name in archive.namelist()).decode("latin-1")
    for hidden in (
        "IPP-4711",
        "IPP-0815",
        "1931-07-09",
        "Planted",
        "colleague@example.org",
        "Chief",
        str(someone.pk),
        someone.radiograph.patient.owner.email,
        busy,
        doctor.password,
        SECRET,
        "k" * 32,
    ):
        assert hidden not in whole


def test_every_key_is_described_and_every_table_has_a_row(doctor, busy):
    archive = opened(doctor_export(doctor=doctor, by=doctor))
    described = json.loads(archive.read("format.json"))
    assert described == doctor_format()
    told = json.loads(archive.read("account.json"))
    assert set(told) == set(described["account.json"])
    assert set(told["account"]) == set(described["account.json"]["account"])
    filled = set()
    for name in FEW:
        for row in told[name]:
            filled.add(name)
            assert set(row) == set(described["account.json"][name][0])
    for name in MANY:
        for row in lines(archive, name):
            filled.add(name)
            assert set(row) == set(described[f"{name}.jsonl"])
    assert {*FEW, *MANY} - filled <= {"anomalies", "erasures", "invitations", "verification_steps"}


# Marks that somebody left on a row which is another's; that they left it stands in the accesses.
MARKS = {
    ("accounts.doctor", "verified_by"),
    ("accounts.verificationstep", "by"),
    ("accounts.practicemembership", "ended_by"),
    ("accounts.apitoken", "created_by"),
    ("patients.patient", "consent_by"),
    ("patients.emergencyaccess", "closed_by"),
    ("inference.analysis", "owner"),
    ("radiology.radiograph", "text_decided_by"),
    ("inference.promotion", "by"),
    ("operations.anomaly", "seen_by"),
    ("operations.backup", "requested_by"),
    # Parts of files on their way, gone within a day.
    ("radiology.upload", "owner"),
    # Django's own history of the admin: what it says stands in the accesses too.
    ("admin.logentry", "user"),
    # Rights, as sets.
    ("accounts.doctor_groups", "doctor"),
    ("accounts.doctor_user_permissions", "doctor"),
}


def test_no_table_that_knows_a_doctor_is_forgotten():
    known = {
        (model._meta.label_lower, field.name)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if field.related_model is Doctor
    }
    told = {
        (one.model._meta.label_lower, name)
        for one in (*FEW.values(), *MANY.values())
        for name in one.by
    }
    assert known - told - MARKS == set()
    assert known >= MARKS


def test_the_readme_is_in_the_doctors_language(doctor):
    texts = []
    for language in ("fr", "en"):
        doctor.language = language
        archive = opened(doctor_export(doctor=doctor, by=doctor))
        texts.append(archive.read("README.txt").decode())
    assert "clés" in texts[0]
    assert "by keys alone" in texts[1]
    assert all(f"{name}.jsonl" in texts[0] for name in MANY)


@pytest.mark.parametrize(
    "facts",
    [{"verification": "pending"}, {"verification": "suspended"}, {"verification": "refused"}],
)
def test_also_for_who_may_not_practise(client_for, facts):
    response = client_for(DoctorFactory(**facts)).post(reverse(OWN))
    assert opened(response).read("account.json")


def test_asks_for_the_password_if_it_was_given_long_ago(doctor_client, settings, time_machine):
    time_machine.move_to(timezone.now() + timedelta(seconds=settings.REAUTHENTICATION_SECONDS + 5))
    response = doctor_client.post(reverse(OWN))
    assert response.status_code == 302
    assert reverse("account_reauthenticate") in response["Location"]
    assert not AccessEvent.objects.filter(reason="doctor_export").exists()


def test_only_by_a_form(doctor_client, client):
    assert doctor_client.get(reverse(OWN)).status_code == 405
    response = client.post(reverse(OWN))
    assert response.status_code == 302
    assert reverse("account_login") in response["Location"]


def test_an_administrator_makes_it_for_a_doctor(client_for, doctor, busy):
    admin = AdminFactory()
    address = reverse("admin:accounts_doctor_export", args=[doctor.pk])
    page = reverse("admin:accounts_doctor_change", args=[doctor.pk])
    client = client_for(admin)
    assert address in client.get(page).content.decode()
    archive = opened(client.post(address))
    assert json.loads(archive.read("account.json"))["account"]["email"] == doctor.email
    event = AccessEvent.objects.get(reason="doctor_export")
    assert (event.actor, event.object_id, event.channel) == (admin, str(doctor.pk), "export")
    assert client.post(reverse("admin:accounts_doctor_export", args=[10**9])).status_code == 404


def test_not_by_an_administrator_without_the_permission(client_for, doctor):
    client = client_for(AdminFactory(is_superuser=False))
    address = reverse("admin:accounts_doctor_export", args=[doctor.pk])
    assert client.post(address).status_code == 403


def test_much_takes_little_memory_and_few_queries(doctor, django_assert_max_num_queries):
    events = [
        AccessEvent(
            actor=doctor, action="read", object_type="patients.patient", object_id=str(number)
        )
        for number in range(15 * CHUNK)
    ]
    AccessEvent.objects.bulk_create(events, batch_size=CHUNK)
    del events
    with django_assert_max_num_queries(len(FEW) + len(MANY) + 15 + 10):
        tracemalloc.start()
        size = sum(len(piece) for piece in doctor_export(doctor=doctor, by=doctor))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 15 * CHUNK * 200
    # A chunk of rows, and none of the earlier ones.
    assert peak < size
