"""The second factor: set up, asked for, compulsory for administrators, secret in the database."""

import json
import re
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.utils import timezone

from accounts.errors import SecondFactorUnreadableError
from accounts.second_factor.adapter import SecondFactorAdapter
from accounts.second_factor.services import second_factor_remove
from operations.models import AccessEvent

from .factories import PASSWORD, AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db(transaction=True)
INDEX = "/accounts/2fa/"
LOGIN = "/accounts/login/"
AUTHENTICATE = "/accounts/2fa/authenticate/"


def code_of(secret: str, *, step: int = 0) -> str:
    """What the app shows, ``step`` half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


def log_in(client, account, onto: str | None = None):
    response = client.post(LOGIN, {"login": account.email, "password": PASSWORD})
    assert response.status_code == 302
    if onto is not None:
        assert response.url.startswith(onto)
    return response


def set_up(client) -> str:
    """An app for whoever is logged in; its secret."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get(f"{INDEX}totp/activate/").content.decode()
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)[1]
    response = client.post(f"{INDEX}totp/activate/", {"code": code_of(secret)})
    assert response.url == f"{INDEX}recovery-codes/"
    return secret


@pytest.fixture
def doctor():
    return DoctorFactory(language="en")


@pytest.fixture
def with_app(client, doctor):
    """A doctor who has set up an app, logged out; the secret."""
    log_in(client, doctor)
    secret = set_up(client)
    client.post("/accounts/logout/")
    return secret


def test_an_app_is_set_up_with_recovery_codes_mailed_and_recorded(client, doctor):
    log_in(client, doctor)
    secret = set_up(client)
    page = client.get(f"{INDEX}recovery-codes/").content.decode()
    assert len(re.findall(r"<li><code>\d{8}</code></li>", page)) == 10
    assert any(message.to == [doctor.email] for message in mail.outbox)
    event = AccessEvent.objects.filter(reason="second_factor_added").first()
    assert event.actor == doctor
    stored = json.dumps(Authenticator.objects.get(type="totp").data)
    assert secret not in stored


def test_a_wrong_code_sets_nothing_up(client, doctor):
    log_in(client, doctor)
    assert client.get(f"{INDEX}totp/activate/").url.startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get(f"{INDEX}totp/activate/")
    response = client.post(f"{INDEX}totp/activate/", {"code": "000000"})
    assert "This code is wrong" in response.content.decode()
    assert not Authenticator.objects.exists()


def test_who_has_an_app_logs_in_with_its_code_alone(client, doctor, with_app, time_machine):
    log_in(client, doctor, onto=AUTHENTICATE)
    assert client.get("/patients/").url.startswith(LOGIN)  # the password opens nothing
    response = client.post(AUTHENTICATE, {"code": "123456"})
    assert "This code is wrong" in response.content.decode()
    assert AccessEvent.objects.filter(reason="second_factor_wrong", action="refused").count() == 1
    assert client.get("/patients/").status_code == 302
    time_machine.move_to(timezone.now() + timedelta(seconds=31))  # no code is used twice
    response = client.post(AUTHENTICATE, {"code": code_of(with_app)})
    assert response.status_code == 302
    assert client.get("/patients/").status_code == 200


def test_a_recovery_code_lets_in_once(client, doctor, with_app):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    log_in(client, doctor, onto=AUTHENTICATE)
    assert client.post(AUTHENTICATE, {"code": codes[0]}).status_code == 302
    assert client.get("/patients/").status_code == 200
    client.post("/accounts/logout/")
    log_in(client, doctor, onto=AUTHENTICATE)
    response = client.post(AUTHENTICATE, {"code": codes[0]})
    assert "used already" in response.content.decode()
    assert client.get("/patients/").status_code == 302


def test_codes_are_not_guessed(client, doctor, with_app):
    log_in(client, doctor, onto=AUTHENTICATE)
    answers = [client.post(AUTHENTICATE, {"code": f"{n:06}"}) for n in range(12)]
    assert "Too many failed attempts" in answers[-1].content.decode()
    # Now the right one does not help either.
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    client.post(AUTHENTICATE, {"code": codes[0]})
    assert client.get("/patients/").status_code == 302


def test_the_password_alone_gives_no_token(client, doctor, with_app, time_machine):
    def ask(**code):
        body = {"email": doctor.email, "password": PASSWORD, **code}
        return client.post("/api/v1/auth/token/", body, content_type="application/json")

    time_machine.move_to(timezone.now() + timedelta(seconds=31))  # no code is used twice
    right = code_of(with_app)
    answers = [ask(), ask(code="000000"), ask(code=right), ask(code=right)]
    assert [answer.status_code for answer in answers] == [401, 401, 200, 401]
    assert answers[0].json()["code"] == "second_factor_required"
    assert answers[1].json()["code"] == answers[3].json()["code"] == "second_factor_wrong"
    assert set(AccessEvent.objects.filter(reason="second_factor_wrong").values_list("actor")) == {
        (doctor.pk,)
    }


class TestAdministrators:
    @pytest.fixture(autouse=True)
    def demanded(self, settings):
        settings.MFA_REQUIRED_FOR_STAFF = True

    @pytest.fixture
    def admin(self):
        return AdminFactory(language="en")

    @pytest.mark.parametrize("url", ["/admin/", "/admin/accounts/doctor/", "/account/", "/design/"])
    def test_reach_nothing_before_they_have_one(self, client, admin, url):
        log_in(client, admin)
        assert client.get(url).url == INDEX
        assert client.post(url).url == INDEX
        page = client.get(INDEX)
        assert "Set one up to go on" in page.content.decode()

    def test_work_as_soon_as_it_is_set_up(self, client, admin):
        log_in(client, admin)
        set_up(client)
        assert client.get("/admin/").status_code == 200

    def test_are_asked_for_it_when_this_session_has_not_shown_it(self, client, admin, client_for):
        log_in(client, admin)
        set_up(client)
        other = client_for(admin)  # a session by another way, such as a stolen cookie of before
        response = other.get("/admin/accounts/doctor/?q=x")
        assert response.url.startswith("/accounts/2fa/reauthenticate/?next=%2Fadmin%2Faccounts")
        codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
        response = other.post(response.url, {"code": codes[0], "next": "/admin/"})
        assert other.get("/admin/").status_code == 200

    def test_a_fragment_sends_the_whole_page_on(self, client, admin):
        log_in(client, admin)
        response = client.get("/notices/", headers={"hx-request": "true"})
        assert response.headers["HX-Redirect"] == INDEX

    def test_health_stays_open_and_doctors_are_not_asked(self, client, admin, doctor, client_for):
        log_in(client, admin)
        assert client.get("/health/live").status_code == 200
        assert client_for(doctor).get("/patients/").status_code == 200


def test_a_lost_factor_is_taken_away_by_an_administrator(client, doctor, with_app, client_for):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    log_in(client, doctor)
    client.post(AUTHENTICATE, {"code": codes[0]})
    assert client.get("/patients/").status_code == 200
    by = AdminFactory(language="en")
    facts = {"action": "remove_second_factor", "_selected_action": [doctor.pk]}
    client_for(by).post("/admin/accounts/doctor/", facts)
    assert not Authenticator.objects.exists()
    assert client.get("/patients/").status_code == 302  # the session ended
    assert AccessEvent.objects.filter(actor=by, reason="second_factor_removed").exists()
    assert any("Second factor taken away" in message.subject for message in mail.outbox)
    log_in(client, doctor)
    assert client.get("/patients/").status_code == 200


def test_taking_away_what_is_not_there_tells_nobody(doctor):
    second_factor_remove(doctor=doctor, by=AdminFactory())
    assert not mail.outbox
    assert not AccessEvent.objects.exists()


class TestSecrets:
    def test_an_earlier_key_still_opens(self, settings):
        adapter = SecondFactorAdapter()
        settings.SECRET_KEY = "one"
        hidden = adapter.encrypt("SECRET")
        assert "SECRET" not in hidden
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "two", ["one"]
        assert adapter.decrypt(hidden) == "SECRET"
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(SecondFactorUnreadableError):
            adapter.decrypt(hidden)
