"""Verified, suspended, waiting: what an account may do, from one moment to the next."""

from datetime import date, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.http import HttpResponse
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from accounts import services
from accounts.access import practising_doctor_required
from accounts.credentials import practice_check
from accounts.errors import (
    AccountExpiredError,
    AccountInactiveError,
    AccountPendingError,
    AccountRefusedError,
    AccountSuspendedError,
    NotADoctorError,
)
from accounts.models import ApiToken, Doctor
from accounts.verification import services as verification
from operations.models import AccessEvent

from .factories import AdminFactory, DoctorFactory, token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def by(db):
    return AdminFactory()


@pytest.fixture
def now(django_capture_on_commit_callbacks):
    """Run a service and what it leaves for after its transaction."""

    def run(service, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            return service(**kwargs)

    return run


CASES = [
    # what the account is, whether verification is demanded, why it may not practise
    ({"verification": "verified"}, True, None),
    ({"verification": "verified"}, False, None),
    ({"verification": "pending"}, True, AccountPendingError),
    ({"verification": "pending"}, False, None),
    ({"verification": "suspended"}, True, AccountSuspendedError),
    ({"verification": "suspended"}, False, AccountSuspendedError),
    ({"verification": "refused"}, True, AccountRefusedError),
    ({"verification": "refused"}, False, AccountRefusedError),
    ({"verification": "expired"}, True, AccountExpiredError),
    ({"verification": "expired"}, False, AccountExpiredError),
    ({"verification": "verified", "verified_until": date(2020, 1, 1)}, True, AccountExpiredError),
    ({"verification": "verified", "verified_until": date(2999, 1, 1)}, True, None),
    ({"is_active": False}, True, AccountInactiveError),
    ({"is_active": False}, False, AccountInactiveError),
    ({"registration_number": None}, False, NotADoctorError),
]


@pytest.mark.parametrize(("facts", "demanded", "error"), CASES)
def test_who_may_practise(settings, facts, demanded, error):
    settings.DOCTOR_VERIFICATION_REQUIRED = demanded
    doctor = DoctorFactory(**facts)
    assert doctor.may_practise is (error is None)
    if error is None:
        practice_check(doctor)
    else:
        with pytest.raises(error):
            practice_check(doctor)


def test_an_administrator_does_not_practise():
    with pytest.raises(NotADoctorError):
        practice_check(AdminFactory(registration_number="10000000009", verification="verified"))


@pytest.mark.parametrize("before", ["pending", "suspended"])
def test_verify(by, now, before):
    doctor = DoctorFactory(verification=before, language="en")
    now(verification.doctor_verify, doctor=doctor, by=by)
    doctor.refresh_from_db()
    assert doctor.may_practise
    assert doctor.verified_by == by
    assert doctor.verified_at is not None
    (message,) = mail.outbox
    assert message.to == [doctor.email]
    assert message.subject == "[PneumoniApp] Your account is verified"
    event = AccessEvent.objects.get()
    assert (event.actor, event.action) == (by, "update")
    assert (event.object_type, event.object_id) == ("accounts.doctor", str(doctor.pk))


def test_verifying_twice_writes_one_mail_and_keeps_who_did_it(by, now):
    doctor = DoctorFactory(pending=True)
    now(verification.doctor_verify, doctor=doctor, by=by)
    now(verification.doctor_verify, doctor=doctor, by=AdminFactory())
    doctor.refresh_from_db()
    assert doctor.verified_by == by
    assert len(mail.outbox) == 1


def test_suspend_ends_sessions_and_tokens_at_once(by, now, client_for):
    doctor = DoctorFactory(language="en")
    client = client_for(doctor)
    token_for(doctor)
    other = DoctorFactory()
    other_client = client_for(other)
    token_for(other)
    assert client.get("/account/").status_code == 200

    now(verification.doctor_suspend, doctor=doctor, by=by)
    assert client.get("/account/").url.startswith("/accounts/login/")
    assert not ApiToken.objects.filter(owner=doctor).exists()
    assert other_client.get("/account/").status_code == 200
    assert ApiToken.objects.filter(owner=other).exists()
    assert mail.outbox[0].subject == "[PneumoniApp] Your account is suspended"

    doctor.refresh_from_db()
    assert (doctor.verified_by, doctor.verified_at) == (None, None)
    client.force_login(doctor)
    page = client.get("/account/waiting/").content.decode()
    assert "Your account is suspended" in page


def test_an_old_session_stays_dead_after_the_suspension(by, now, client_for):
    doctor = DoctorFactory()
    client = client_for(doctor)
    now(verification.doctor_suspend, doctor=doctor, by=by)
    now(verification.doctor_verify, doctor=doctor, by=by)
    assert client.get("/account/").status_code == 302


def test_suspending_twice_writes_one_mail(by, now):
    doctor = DoctorFactory()
    for _ in range(2):
        now(verification.doctor_suspend, doctor=doctor, by=by)
    assert len(mail.outbox) == 1
    assert AccessEvent.objects.count() == 1


@pytest.mark.parametrize("service", [verification.doctor_verify, verification.doctor_suspend])
def test_an_account_without_a_number_is_no_doctors(by, service):
    with pytest.raises(NotADoctorError):
        service(doctor=AdminFactory(), by=by)
    assert not AccessEvent.objects.exists()


def test_a_mail_that_can_t_be_sent_undoes_nothing(by, now, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    doctor = DoctorFactory()
    now(verification.doctor_suspend, doctor=doctor, by=by)
    doctor.refresh_from_db()
    assert doctor.verification == "suspended"


def test_closing_an_account_ends_sessions_and_tokens(by, client_for):
    doctor = DoctorFactory()
    client = client_for(doctor)
    token_for(doctor)
    services.doctor_update(doctor=doctor, by=by, is_active=False)
    services.doctor_update(doctor=doctor, by=by, is_active=True)
    assert client.get("/account/").status_code == 302
    assert not ApiToken.objects.exists()


def test_an_address_that_an_administrator_sets_has_to_be_confirmed(by, client, client_for):
    doctor = DoctorFactory()
    session = client_for(doctor)
    services.doctor_update(doctor=doctor, by=by, email=" New@Example.org ")
    assert list(EmailAddress.objects.filter(user=doctor).values_list("email", "verified")) == [
        ("new@example.org", False)
    ]
    assert session.get("/account/").status_code == 302


def test_only_editable_fields_are_edited(by):
    with pytest.raises(TypeError):
        services.doctor_update(doctor=by, by=by, verification="verified")


class TestGuard:
    """``practising_doctor_required`` before a page with patients."""

    def answer(self, user, **headers):
        request = RequestFactory().get("/patients/?page=2", headers=headers)
        request.user = user
        request.htmx = HtmxDetails(request)

        @practising_doctor_required
        def page(request):
            return HttpResponse("patients")

        return page(request)

    def test_a_doctor_passes(self):
        assert self.answer(DoctorFactory()).content == b"patients"

    def test_anybody_else_is_sent_where_they_can_go_on(self):
        login = "/accounts/login/?next=/patients/%3Fpage%3D2"
        assert self.answer(AnonymousUser()).url == login
        assert self.answer(DoctorFactory(pending=True)).url == "/account/waiting/"
        assert self.answer(DoctorFactory(suspended=True)).url == "/account/waiting/"
        assert self.answer(DoctorFactory(registration_number=None)).url == "/account/waiting/"
        assert self.answer(AdminFactory()).url == "/admin/"
        staff = AdminFactory(registration_number="10000000009", verification="verified")
        assert self.answer(staff).url == "/admin/"

    def test_a_fragment_sends_the_whole_page_on(self):
        headers = {"hx-request": "true", "hx-current-url": "http://testserver/radiographs/?a=1"}
        response = self.answer(AnonymousUser(), **headers)
        assert response.headers["HX-Redirect"] == "/accounts/login/?next=/radiographs/%3Fa%3D1"
        response = self.answer(DoctorFactory(suspended=True), **headers)
        assert response.headers["HX-Redirect"] == "/account/waiting/"


class TestWaitingPage:
    URL = "/account/waiting/"

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"pending": True}, "waits for verification"),
            ({"suspended": True}, "An administrator has suspended it"),
            ({"registration_number": None}, "It has no registration number"),
        ],
    )
    def test_says_why(self, client_for, settings, facts, sentence):
        settings.CONTACT_EMAIL = "office@example.org"
        page = client_for(DoctorFactory(**facts)).get(self.URL)
        assert page.status_code == 200
        assert sentence in page.content.decode()
        assert "mailto:office@example.org" in page.content.decode()

    def test_is_left_as_soon_as_there_is_no_reason(self, client_for):
        assert client_for(DoctorFactory()).get(self.URL).status_code == 302
        assert client_for(AdminFactory()).get(self.URL).url == "/admin/"

    def test_needs_a_login(self, client):
        assert client.get(self.URL).url.startswith("/accounts/login/")


class TestUnconfirmed:
    @pytest.fixture
    def doctor(self):
        return DoctorFactory(pending=True, email_confirmed=False)

    @pytest.mark.parametrize(("days", "left"), [(2, 1), (4, 0)])
    def test_is_deleted_when_its_link_is_dead(self, doctor, days, left):
        age(doctor, days)
        assert services.unconfirmed_delete() == 1 - left
        assert Doctor.objects.count() == left
        assert EmailAddress.objects.count() == left
        assert AccessEvent.objects.count() == 1 - left

    @pytest.mark.parametrize(
        "facts",
        [
            {"email_confirmed": True, "pending": True},
            {"email_confirmed": False},
            {"email_confirmed": False, "suspended": True},
            {"email_confirmed": False, "pending": True, "is_staff": True},
        ],
    )
    def test_nobody_else_is(self, facts):
        age(DoctorFactory(**facts), 400)
        assert services.unconfirmed_delete() == 0
        assert Doctor.objects.count() == 1


def age(doctor, days):
    Doctor.objects.filter(pk=doctor.pk).update(date_joined=doctor.date_joined - timedelta(days))
