"""The second factor: set up, asked for, compulsory for administrators, secret in the database."""

import json
import re
import time
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.core import mail
from django.db import transaction
from django.test import Client
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


class TestOtherSessions:
    """A session from before the second factor has shown none: the password alone is no way past."""

    def test_end_when_the_factor_is_set_up(self, client, doctor):
        stolen = Client()
        log_in(stolen, doctor)
        assert stolen.get("/account/").status_code == 200
        log_in(client, doctor)
        set_up(client)
        assert stolen.get("/account/").status_code == 302
        assert client.get("/account/").status_code == 200

    @pytest.mark.parametrize("page", ["recovery-codes/", "totp/deactivate/", "webauthn/add/", ""])
    def test_of_an_administrator_open_nothing_of_the_factor(self, client, settings, page):
        """Even one that was not known to us and so did not end."""
        settings.MFA_REQUIRED_FOR_STAFF = True
        admin = AdminFactory()
        log_in(client, admin)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        secret = generate_totp_secret()
        with transaction.atomic():
            TOTP.activate(admin, secret)
        for ask in (client.get, client.post):
            answer = ask(f"{INDEX}{page}")
            assert answer.status_code == 302
            assert answer.url.startswith(f"{INDEX}reauthenticate/")
        answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert answer.url.startswith(f"{INDEX}reauthenticate/")
        assert client.get("/admin/").status_code == 302
        client.post(f"{INDEX}reauthenticate/", {"code": code_of(secret)})
        assert client.get("/admin/").status_code == 200

    def test_and_this_one_begin_anew_without_any_factor(self, client, client_for, settings):
        settings.MFA_REQUIRED_FOR_STAFF = True
        admin = AdminFactory()
        log_in(client, admin)
        set_up(client)
        assert client.get("/admin/").status_code == 200
        assert client.post(f"{INDEX}totp/deactivate/").status_code == 302
        assert not Authenticator.objects.filter(user=admin, type="totp").exists()
        assert client.get("/admin/").url == INDEX


class TestUsedOnce:
    def test_for_as_long_as_any_tolerance_takes_it(self, client, doctor, with_app, time_machine):
        start = (int(time.time()) // 30 + 20) * 30 + 1
        time_machine.move_to(start, tick=False)
        code = code_of(with_app, step=1)
        for seconds, taken in ((0, True), (15, False), (31, False), (59, False), (62, False)):
            time_machine.move_to(start + seconds, tick=False)
            log_in(client, doctor)
            client.post(AUTHENTICATE, {"code": code})
            assert (client.get("/account/").status_code == 200) == taken, seconds
            client.post("/accounts/logout/")

    def test_over_rest_too(self, client, doctor, with_app, time_machine):
        start = (int(time.time()) // 30 + 20) * 30 + 1
        time_machine.move_to(start, tick=False)
        body = {"email": doctor.email, "password": PASSWORD, "code": code_of(with_app, step=1)}
        answers = []
        for seconds in (0, 31, 59):
            time_machine.move_to(start + seconds, tick=False)
            answer = client.post("/api/v1/auth/token/", body, content_type="application/json")
            answers.append(answer.status_code)
        assert answers == [200, 401, 401]


def test_two_forms_at_once_make_one_app(doctor):
    for _click in range(2):
        with transaction.atomic():
            TOTP.activate(doctor, generate_totp_secret())
    assert Authenticator.objects.filter(user=doctor, type="totp").count() == 1


def test_an_administrator_with_an_unconfirmed_address_takes_the_change_back(client, settings):
    settings.MFA_REQUIRED_FOR_STAFF = True
    admin = AdminFactory(language="en")
    EmailAddress.objects.create(user=admin, email="mistyped@example.org", verified=False)
    log_in(client, admin)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get(f"{INDEX}totp/activate/").url == INDEX
    page = client.get("/accounts/email/")
    assert page.status_code == 200
    assert "mistyped@example.org" in page.text
    data = {"action_remove": "", "email": "mistyped@example.org"}
    client.post("/accounts/email/", data)
    assert not EmailAddress.objects.filter(email="mistyped@example.org").exists()
    set_up(client)
    assert client.get("/admin/").status_code == 200


BROKEN = ['{"id": 1}', "[" * 5000, "[]", "1", '"x"', '{"id": "x", "response": {}}', "{", "null"]


@pytest.mark.parametrize("credential", BROKEN)
def test_what_no_browser_sends_is_a_wrong_answer(client, doctor, with_app, credential):
    log_in(client, doctor)
    response = client.post(AUTHENTICATE, {"credential": credential})
    assert response.status_code in (200, 302, 422)
    client.post(AUTHENTICATE, {"code": code_of(with_app, step=1)})
    client.get(f"{INDEX}webauthn/add/")
    data = {"credential": credential, "name": "Key"}
    assert client.post(f"{INDEX}webauthn/add/", data).status_code in (200, 302, 422)
    assert not Authenticator.objects.filter(type="webauthn").exists()


def test_a_lost_key_of_the_installation_says_so(client, doctor, with_app, settings):
    log_in(client, doctor)
    settings.SECRET_KEY = "another"
    client.cookies.clear()
    log_in(client, doctor)
    response = client.post(AUTHENTICATE, {"code": "123456"})
    assert response.status_code == 503
    assert "SECRET_KEY" in response.text


def test_the_last_administrator_keeps_the_rights(client_for):
    admin = AdminFactory(language="en")
    page = f"/admin/accounts/doctor/{admin.pk}/change/"
    data = {"email": admin.email, "first_name": "A", "last_name": "B", "language": "en"}
    client = client_for(admin)
    for rights in ({"is_staff": "on", "is_active": "on"}, {"is_superuser": "on", "is_staff": "on"}):
        response = client.post(page, data | rights)
        assert response.status_code == 200
        assert "Nobody else has every right" in response.text
    AdminFactory()
    assert client.post(page, data | {"is_staff": "on", "is_active": "on"}).status_code == 302
