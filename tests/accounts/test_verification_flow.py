"""How a doctor's verification moves: by whom, with which step, record and mail."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.errors import (
    ProofKindError,
    ProofTooLargeError,
    VerificationReasonMissingError,
    VerificationStateError,
)
from accounts.models import Doctor, RegistrationProof, VerificationStep
from accounts.verification import proofs, services
from operations.models import AccessEvent

from .factories import AdminFactory, DoctorFactory, rpps

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\nnothing"
WAITING = "/account/waiting/"


@pytest.fixture
def by(db):
    return AdminFactory(language="en")


@pytest.fixture
def now(django_capture_on_commit_callbacks):
    """Run a service and what it leaves for after its transaction."""

    def run(service, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            return service(**kwargs)

    return run


def document(content=PDF, name="card.pdf"):
    return SimpleUploadedFile(name, content)


def stored() -> set[str]:
    try:
        return set(default_storage.listdir("proofs")[1])
    except FileNotFoundError:
        return set()


def today():
    return timezone.localdate()


class TestDecisions:
    def test_a_refusal_says_why_and_lets_the_doctor_ask_again(self, by, now, client_for):
        doctor = DoctorFactory(pending=True, language="en")
        now(services.doctor_refuse, doctor=doctor, by=by, reason="  Not in the register. ")
        doctor.refresh_from_db()
        assert (doctor.verification, doctor.may_practise) == ("refused", False)
        step = VerificationStep.objects.get()
        assert (step.state, step.by, step.reason) == ("refused", by, "Not in the register.")
        event = AccessEvent.objects.get()
        assert (event.actor, event.reason) == (by, f"verification:{step.pk}")
        assert mail.outbox[0].subject == "[PneumoniApp] Your account was not verified"
        assert "Not in the register." in mail.outbox[0].body
        page = client_for(doctor).get(WAITING).content.decode()
        assert "Not in the register." in page
        assert "Ask again" in page

    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_a_refusal_without_a_reason_is_none(self, by, reason):
        doctor = DoctorFactory(pending=True)
        with pytest.raises(VerificationReasonMissingError):
            services.doctor_refuse(doctor=doctor, by=by, reason=reason)
        assert Doctor.objects.get(pk=doctor.pk).verification == "pending"

    @pytest.mark.parametrize("state", ["verified", "suspended", "expired", "refused"])
    def test_only_who_waits_is_refused(self, by, state):
        with pytest.raises(VerificationStateError):
            services.doctor_refuse(doctor=DoctorFactory(verification=state), by=by, reason="no")
        assert not VerificationStep.objects.exists()

    def test_a_suspension_may_say_why(self, by, now):
        doctor = DoctorFactory(language="en")
        now(services.doctor_suspend, doctor=doctor, by=by, reason="Struck off on 1 May.")
        assert "Struck off on 1 May." in mail.outbox[0].body

    def test_a_term_is_given_renewed_and_not_given_twice(self, by, now, settings):
        settings.DOCTOR_VERIFICATION_DAYS = 100
        doctor = DoctorFactory(pending=True)
        now(services.doctor_verify, doctor=doctor, by=by)
        doctor.refresh_from_db()
        assert doctor.verified_until == today() + timedelta(days=100)
        now(services.doctor_verify, doctor=doctor, by=by)
        assert VerificationStep.objects.count() == len(mail.outbox) == 1
        Doctor.objects.filter(pk=doctor.pk).update(
            verified_until=today() + timedelta(days=3), expiry_told=True
        )
        now(services.doctor_verify, doctor=doctor, by=by)
        doctor.refresh_from_db()
        assert doctor.verified_until == today() + timedelta(days=100)
        assert doctor.expiry_told is False
        assert len(mail.outbox) == 2

    def test_without_a_term_there_is_no_end(self, by, now, settings):
        settings.DOCTOR_VERIFICATION_DAYS = 0
        doctor = DoctorFactory(pending=True)
        now(services.doctor_verify, doctor=doctor, by=by)
        assert Doctor.objects.get(pk=doctor.pk).verified_until is None


class TestTerm:
    def test_the_last_day_counts_and_the_next_does_not(self, client_for):
        doctor = DoctorFactory(verified_until=today())
        client = client_for(doctor)
        assert client.get("/patients/").status_code == 200
        Doctor.objects.filter(pk=doctor.pk).update(verified_until=today() - timedelta(days=1))
        assert client.get("/patients/").url == WAITING
        assert "Your verification has ended" in client.get(WAITING).content.decode()

    def test_who_is_over_expires_once_and_hears_of_it(self, now):
        over = DoctorFactory(verified_until=today() - timedelta(days=1), language="en")
        DoctorFactory(verified_until=today() + timedelta(days=31))
        DoctorFactory()
        assert now(services.verifications_expire) == 1
        assert now(services.verifications_expire) == 0
        over.refresh_from_db()
        assert over.verification == "expired"
        assert [message.to for message in mail.outbox] == [[over.email]]
        assert VerificationStep.objects.get().state == "expired"

    def test_who_ends_soon_hears_of_it_once(self, now):
        soon = DoctorFactory(verified_until=today() + timedelta(days=30), language="en")
        for _ in range(2):
            assert now(services.verifications_expire) == 0
        (message,) = mail.outbox
        assert message.to == [soon.email]
        assert message.subject == "[PneumoniApp] Your verification ends soon"


class TestAsking:
    URL = "/account/waiting/apply/"

    def facts(self, doctor, **changes):
        names = ("first_name", "last_name", "registration_number")
        return {name: getattr(doctor, name) for name in names} | changes

    @pytest.mark.parametrize("state", ["refused", "expired"])
    def test_who_may_ask_waits_again(
        self, client_for, state, by, django_capture_on_commit_callbacks
    ):
        doctor = DoctorFactory(verification=state)
        client = client_for(doctor)
        number = rpps(987_654)
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(self.URL, self.facts(doctor, registration_number=number))
        assert answer.url == WAITING
        doctor.refresh_from_db()
        assert (doctor.verification, doctor.registration_number) == ("pending", number)
        assert sorted(message.to[0] for message in mail.outbox) == sorted([doctor.email, by.email])
        assert AccessEvent.objects.filter(actor=doctor, action="update").exists()

    def test_whose_term_is_over_need_not_wait_for_the_schedule(self, client_for):
        doctor = DoctorFactory(verified_until=today() - timedelta(days=1))
        client = client_for(doctor)
        document = SimpleUploadedFile("card.pdf", b"%PDF-1.7 card")
        client.post("/account/waiting/proof/", {"proof": document})
        doctor.refresh_from_db()
        assert doctor.verification == "expired"
        assert doctor.registration_proof
        client.post(self.URL, self.facts(doctor))
        doctor.refresh_from_db()
        assert doctor.verification == "pending"
        steps = doctor.verification_steps.order_by("pk")
        assert [step.state for step in steps] == ["expired", "pending"]

    @pytest.mark.parametrize("state", ["verified", "suspended", "pending"])
    def test_who_may_not_changes_nothing(self, client_for, state):
        doctor = DoctorFactory(verification=state)
        answer = client_for(doctor).post(self.URL, self.facts(doctor, first_name="Other"))
        assert answer.url == ("/" if state == "verified" else WAITING)
        doctor.refresh_from_db()
        assert (doctor.verification, doctor.first_name) == (state, "Camille")

    def test_a_wrong_or_taken_number_is_said(self, client_for):
        doctor = DoctorFactory(verification="refused")
        taken = DoctorFactory().registration_number
        for number, sentence in [
            ("12", "11 digits"),
            (taken, "exists already"),
            ("", "Enter your"),
        ]:
            answer = client_for(doctor).post(
                self.URL, self.facts(doctor, registration_number=number)
            )
            assert answer.status_code == 422
            assert sentence in answer.content.decode()
        assert Doctor.objects.get(pk=doctor.pk).verification == "refused"


class TestProof:
    URL = "/account/waiting/proof/"

    def test_is_kept_replaced_and_deleted_when_it_is_decided(self, now, by):
        doctor = DoctorFactory(pending=True)
        first = now(proofs.proof_store, doctor=doctor, file=document())
        assert stored() == {str(first.pk)}
        second = now(proofs.proof_store, doctor=doctor, file=document(b"\xff\xd8\xff\xe0"))
        assert stored() == {str(second.pk)}
        assert RegistrationProof.objects.get().content_type == "image/jpeg"
        now(services.doctor_verify, doctor=doctor, by=by)
        assert not RegistrationProof.objects.exists()
        assert stored() == set()

    @pytest.mark.parametrize(
        ("content", "name"), [(b"<html>", "card.pdf"), (b"", "card.pdf"), (b"MZ", "card.png")]
    )
    def test_its_bytes_count_not_its_name(self, content, name):
        with pytest.raises(ProofKindError):
            proofs.proof_store(doctor=DoctorFactory(pending=True), file=document(content, name))
        assert stored() == set()

    def test_too_large_is_refused(self, settings):
        settings.PROOF_MAX_BYTES = 10
        with pytest.raises(ProofTooLargeError):
            proofs.proof_store(doctor=DoctorFactory(pending=True), file=document())

    def test_nothing_is_kept_where_nothing_is_to_prove(self):
        with pytest.raises(VerificationStateError):
            proofs.proof_store(doctor=DoctorFactory(), file=document())
        assert stored() == set()

    def test_is_sent_and_taken_back_on_the_page(self, client_for):
        doctor = DoctorFactory(pending=True)
        client = client_for(doctor)
        assert client.post(self.URL, {}).status_code == 422
        assert client.post(self.URL, {"proof": document(b"<svg>")}).status_code == 422
        assert client.post(self.URL, {"proof": document()}).url == WAITING
        assert "Delete the document" in client.get(WAITING).content.decode()
        assert client.post(self.URL, {"remove": "1"}).url == WAITING
        assert not RegistrationProof.objects.exists()

    def test_only_an_administrator_of_accounts_gets_it(self, client_for, by):
        doctor = DoctorFactory(pending=True)
        proofs.proof_store(doctor=doctor, file=document())
        url = f"/admin/accounts/doctor/{doctor.pk}/verification/proof/"
        assert client_for(doctor).get(url).status_code in (302, 403)
        assert client_for(AdminFactory(is_superuser=False)).get(url).status_code in (403, 404)
        answer = client_for(by).get(url)
        assert b"".join(answer.streaming_content) == PDF
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"
        event = AccessEvent.objects.get(actor=by, action="read")
        assert event.object_type == "accounts.registrationproof"

    def test_a_file_that_nobody_names_is_swept_after_a_day(self, time_machine):
        from django.core.files.base import ContentFile

        kept = proofs.proof_store(doctor=DoctorFactory(pending=True), file=document())
        default_storage.save("proofs/left", ContentFile(PDF))
        assert proofs.proofs_sweep() == 0
        time_machine.move_to(timezone.now() + timedelta(days=2))
        assert proofs.proofs_sweep() == 1
        assert stored() == {str(kept.pk)}


class TestAdminPage:
    def url(self, doctor):
        return f"/admin/accounts/doctor/{doctor.pk}/verification/"

    def test_shows_what_there_is_and_decides(self, client_for, by):
        doctor = DoctorFactory(pending=True)
        client = client_for(by)
        page = client.get(self.url(doctor)).content.decode()
        assert doctor.registration_number in page
        assert "No directory has been imported" in page
        seen = {"name": doctor.get_full_name()}
        answer = client.post(self.url(doctor), seen | {"decision": "refuse", "reason": ""})
        assert answer.status_code == 422
        assert "Say why" in answer.content.decode()
        answer = client.post(self.url(doctor), seen | {"decision": "verify"}, follow=True)
        assert "the doctor is told" in answer.content.decode()
        assert Doctor.objects.get(pk=doctor.pk).verification == "verified"

    def test_a_wrong_check_digit_is_said(self, client_for, by):
        doctor = DoctorFactory(pending=True)
        Doctor.objects.filter(pk=doctor.pk).update(registration_number="10000000001")
        page = client_for(by).get(self.url(doctor)).content.decode()
        assert "check digit is wrong" in page

    @pytest.mark.parametrize(
        ("state", "allowed"),
        [
            ("pending", {"verify", "refuse", "suspend"}),
            ("verified", {"verify", "suspend"}),
            ("suspended", {"verify"}),
            ("refused", {"verify", "suspend"}),
        ],
    )
    def test_offers_what_the_state_allows(self, client_for, by, state, allowed):
        doctor = DoctorFactory(verification=state)
        client = client_for(by)
        page = client.get(self.url(doctor)).content.decode()
        assert {
            one for one in ("verify", "refuse", "suspend") if f'value="{one}"' in page
        } == allowed
        for one in {"verify", "refuse", "suspend"} - allowed:
            facts = {"decision": one, "reason": "why", "name": doctor.get_full_name()}
            assert client.post(self.url(doctor), facts).status_code == 422

    def test_is_not_for_everybody(self, client_for, by):
        doctor = DoctorFactory(pending=True)
        assert client_for(doctor).get(self.url(doctor)).status_code in (302, 403)
        assert client_for(AdminFactory(is_superuser=False)).get(self.url(doctor)).status_code == 403
        assert client_for(by).get(self.url(AdminFactory())).status_code == 404

    def test_takes_as_many_queries_with_many_steps(
        self, client_for, by, django_assert_max_num_queries
    ):
        doctor = DoctorFactory(pending=True)
        for _ in range(20):
            VerificationStep.objects.create(doctor=doctor, state="pending", by=by)
        client = client_for(by)
        client.get(self.url(doctor))
        with django_assert_max_num_queries(8):
            client.get(self.url(doctor))
