"""Who holds a session without the factor; codes used once; an address that waits; double clicks."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import IntegrityError, connection, connections
from django.test import Client
from django.utils import timezone

from accounts.errors import LastAdministratorError
from accounts.models import ApiToken, Doctor
from accounts.services import doctor_update

from .factories import PASSWORD, AdminFactory, DoctorFactory, token_for
from .test_second_factor import AUTHENTICATE, INDEX, code_of, log_in, set_up

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = f"{INDEX}reauthenticate/"
PAGES = ["", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/", "webauthn/add/"]


@pytest.fixture
def doctor():
    return DoctorFactory(language="en")


@pytest.fixture
def admin(settings):
    settings.MFA_REQUIRED_FOR_STAFF = True
    return AdminFactory(language="en")


def b64encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def recovery_codes(account) -> list[str]:
    return Authenticator.objects.get(user=account, type="recovery_codes").wrap().get_unused_codes()


class TestSessionsFromBefore:
    @pytest.mark.parametrize("kind", ["doctor", "admin"])
    def test_end_when_a_factor_is_set_up(self, request, client, kind):
        account = request.getfixturevalue(kind)
        other = Client()
        log_in(other, account)
        log_in(client, account)
        set_up(client)
        assert other.get("/account/").url.startswith("/accounts/login/")
        assert client.get("/account/").status_code == 200

    def test_tokens_are_not_touched(self, client, doctor):
        token_for(doctor)
        log_in(client, doctor)
        set_up(client)
        assert ApiToken.objects.filter(owner=doctor).count() == 1

    @pytest.mark.parametrize("kind", ["doctor", "admin"])
    def test_the_password_opens_none_of_its_pages(self, request, client, client_for, kind):
        account = request.getfixturevalue(kind)
        log_in(client, account)
        set_up(client)
        account.refresh_from_db()
        other = client_for(account)  # however such a session came about
        answer = other.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert answer.url.startswith(ASKED)
        for page in PAGES:
            assert other.get(INDEX + page).url.startswith(ASKED)
            assert other.post(INDEX + page).url.startswith(ASKED)
        assert Authenticator.objects.filter(user=account, type="totp").count() == 1
        assert "password" not in other.get(ASKED).content.decode()
        answer = other.post(ASKED, {"code": recovery_codes(account)[0], "next": INDEX})
        assert answer.url == INDEX
        assert other.get(INDEX).status_code == 200

    def test_end_when_it_is_taken_away(self, client, doctor, time_machine):
        log_in(client, doctor)
        secret = set_up(client)
        time_machine.move_to(timezone.now() + timedelta(seconds=31))
        other = Client()
        log_in(other, doctor, onto=AUTHENTICATE)
        other.post(AUTHENTICATE, {"code": code_of(secret)})
        assert other.get("/patients/").status_code == 200
        assert client.post(f"{INDEX}totp/deactivate/").url == INDEX
        assert other.get("/patients/").status_code == 302
        assert client.get("/patients/").status_code == 200

    def test_an_administrator_without_any_works_no_more(self, client, admin):
        log_in(client, admin)
        set_up(client)
        assert client.get("/admin/").status_code == 200
        client.post(f"{INDEX}totp/deactivate/")
        assert client.get("/admin/").url == INDEX
        set_up(client)
        assert client.get("/admin/").status_code == 200


class TestCodes:
    @pytest.mark.parametrize("step", [-1, 0, 1])
    def test_work_once_however_they_are_spelled(self, client, doctor, time_machine, step):
        log_in(client, doctor)
        secret = set_up(client)
        start = (int(timezone.now().timestamp()) // 30 + 4) * 30 + 1
        time_machine.move_to(start, tick=False)
        code, answers = code_of(secret, step=step), []
        spelled = [code, code, f"{code[:3]} {code[3:]}", f"{code[:3]}-{code[3:]}", f"{code}.", code]
        for later, text in zip((0, 20, 31, 50, 62, 80), spelled, strict=True):
            time_machine.move_to(start + later, tick=False)
            other = Client()
            log_in(other, doctor, onto=AUTHENTICATE)
            other.post(AUTHENTICATE, {"code": text})
            answers.append(other.get("/patients/").status_code)
        assert answers == [200, 302, 302, 302, 302, 302]

    def test_work_once_for_pages_and_programs_together(self, client, doctor, time_machine):
        log_in(client, doctor)
        secret = set_up(client)
        start = (int(timezone.now().timestamp()) // 30 + 4) * 30 + 1
        time_machine.move_to(start, tick=False)
        code, answers = code_of(secret, step=1), []
        for later in (0, 31, 50):
            time_machine.move_to(start + later, tick=False)
            body = {"email": doctor.email, "password": PASSWORD, "code": code}
            answer = client.post("/api/v1/auth/token/", body, content_type="application/json")
            answers.append(answer.status_code)
        assert answers == [200, 401, 401]
        assert answer.json()["code"] == "second_factor_wrong"
        cache.clear()  # it is not the cache that knows
        other = Client()
        log_in(other, doctor, onto=AUTHENTICATE)
        assert other.post(AUTHENTICATE, {"code": code}).status_code == 200  # asked again
        time_machine.move_to(start + 91, tick=False)  # the next ones do
        assert other.post(AUTHENTICATE, {"code": code_of(secret)}).status_code == 302


class TestTwice:
    @pytest.mark.skipif(connection.vendor == "sqlite", reason="one connection in memory")
    def test_a_double_click_sets_one_app_up(self, client, doctor):
        log_in(client, doctor)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        page = client.get(f"{INDEX}totp/activate/").content.decode()
        secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)[1]
        barrier = Barrier(4)

        def click(_n):
            try:
                browser = Client()
                browser.cookies = client.cookies
                barrier.wait()
                return browser.post(f"{INDEX}totp/activate/", {"code": code_of(secret)}).status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(click, range(4)))
        assert set(answers) == {302}
        types = Authenticator.objects.values_list("type", flat=True)
        assert sorted(types) == ["recovery_codes", "totp"]

    def test_several_apps_are_taken_away_together(self, client, doctor):
        log_in(client, doctor)
        set_up(client)
        app = Authenticator.objects.get(type="totp")
        try:
            again = Authenticator(user=doctor, type="totp", data=app.data)
            Authenticator.objects.bulk_create([again])  # past the lock
        except IntegrityError:
            pytest.skip("this database allows one app alone")
        assert client.get(f"{INDEX}totp/deactivate/").status_code == 200
        assert client.post(f"{INDEX}totp/deactivate/").url == INDEX
        assert not Authenticator.objects.exists()

    def test_there_is_nothing_to_take_away(self, client, doctor):
        assert client.get(f"{INDEX}totp/deactivate/").url.startswith("/accounts/login/")
        log_in(client, doctor)
        assert client.get(f"{INDEX}totp/deactivate/").status_code == 404


class TestAnAddressThatWaits:
    """It keeps a factor from being set up, so whoever needs one must reach it."""

    EMAIL = "/accounts/email/"

    @pytest.fixture
    def waiting(self, client, admin):
        """An administrator with a mistyped address to change to, and no factor."""
        EmailAddress.objects.create(user=admin, email="typo@example.org")
        log_in(client, admin)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        return admin

    def test_is_said_where_the_factor_is_set_up(self, client, waiting):
        assert client.get(f"{INDEX}totp/activate/").url == INDEX
        page = client.get(INDEX).content.decode()
        assert "typo@example.org" in page
        assert f'href="{self.EMAIL}"' in page

    def test_is_confirmed_while_logged_in(self, client, waiting, mailoutbox):
        client.post(self.EMAIL, {"email": "right@example.org", "action_add": ""})
        link = re.search(r"/accounts/confirm-email/[^/\s]+/", mailoutbox[-1].body)[0]
        assert client.get(link).status_code == 200
        client.post(link)
        waiting.refresh_from_db()
        assert waiting.email == "right@example.org"
        set_up(client)
        assert client.get("/admin/").status_code == 200

    def test_is_no_way_around_a_factor(self, client, admin, client_for):
        log_in(client, admin)
        set_up(client)
        admin.refresh_from_db()
        assert client_for(admin).get(self.EMAIL).url.startswith(ASKED)
        assert client_for(admin).post(self.EMAIL).url.startswith(ASKED)


NESTED = "[" * 5000
# CBOR (RFC 8949): arrays in arrays; a number and a text that are cut off.
BROKEN_OBJECTS = [b"\x81" * 3000, b"\x19", b"\xfb", b"\x61\xff", b""]


@pytest.mark.parametrize("attestation", BROKEN_OBJECTS)
@pytest.mark.parametrize("client_data", [NESTED, "{}", "[]", "", None])
def test_a_credential_that_breaks_inside_is_a_wrong_one(client, doctor, client_data, attestation):
    """Sound JSON around what no browser makes; ``None`` stands for what this page asked for."""
    log_in(client, doctor)
    set_up(client)
    client.get(f"{INDEX}webauthn/add/")
    if client_data is None:
        challenge = client.session["mfa.webauthn.state"]["challenge"]
        facts = {"type": "webauthn.create", "challenge": challenge, "origin": "https://testserver"}
        client_data = json.dumps(facts)
    data, raw = b64encode(client_data.encode()), b64encode(attestation)
    for page, inside in {
        "webauthn/add/": {"attestationObject": raw},
        "webauthn/reauthenticate/": {"authenticatorData": raw, "signature": raw},
        "reauthenticate/": {"authenticatorData": raw, "signature": raw},
    }.items():
        inside = {"clientDataJSON": data} | inside
        sent = {"id": "YQ", "rawId": "YQ", "type": "public-key", "response": inside}
        answer = client.post(INDEX + page, {"credential": json.dumps(sent), "name": "Key"})
        assert answer.status_code in (200, 302)
    client.post("/accounts/logout/")
    log_in(client, doctor, onto=AUTHENTICATE)
    assert client.post(AUTHENTICATE, {"credential": json.dumps(sent)}).status_code == 200
    assert not Authenticator.objects.filter(type="webauthn").exists()


class TestTheLastAdministrator:
    def form(self, account, **changes) -> dict:
        names = ("email", "first_name", "last_name", "language")
        rights = {"is_staff": "on", "is_superuser": "on", "is_active": "on"}
        return {name: getattr(account, name) for name in names} | rights | changes

    def test_changes_the_own_address_by_confirming_it(self, client, mailoutbox):
        admin = AdminFactory(language="en")
        log_in(client, admin)
        old = admin.email
        page = f"/admin/accounts/doctor/{admin.pk}/change/"
        assert client.post(page, self.form(admin, email="New@Example.org")).status_code == 302
        admin.refresh_from_db()
        assert admin.email == old
        found = EmailAddress.objects.filter(user=admin).values_list("email", "verified", "primary")
        assert sorted(found) == [(old, True, True), ("new@example.org", False, False)]
        assert client.get("/admin/").status_code == 200  # no session has ended
        log_in(Client(), admin, onto="/admin/")
        letter = next(letter for letter in mailoutbox if letter.to == ["new@example.org"])
        link = re.search(r"/accounts/confirm-email/[^/\s]+/", letter.body)[0]
        client.post(link)
        admin.refresh_from_db()
        assert admin.email == "new@example.org"

    def test_of_two_who_demote_each_other_one_is_left(self, client_for, monkeypatch):
        """What the form has found holds no more when the service writes."""
        first, second = AdminFactory(language="en"), AdminFactory()
        browser = client_for(first)
        doctor_update(doctor=second, by=first, is_superuser=False)
        monkeypatch.setattr("accounts.admin.DoctorForm.clean", lambda form: form.cleaned_data)
        page = f"/admin/accounts/doctor/{first.pk}/change/"
        data = self.form(first)
        del data["is_superuser"]
        answer = browser.post(page, data, follow=True)
        assert "Nobody else has every right" in answer.text
        first.refresh_from_db()
        assert first.is_superuser

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="one connection in memory")
    def test_at_once(self):
        for _round in range(5):
            admins = [AdminFactory(), AdminFactory()]
            barrier = Barrier(2)

            def demote(n, admins=admins, barrier=barrier):
                try:
                    barrier.wait()
                    doctor_update(doctor=admins[n], by=admins[1 - n], is_superuser=False)
                except LastAdministratorError:
                    return "refused"
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(2) as pool:
                assert sorted(map(str, pool.map(demote, range(2)))) == ["None", "refused"]
            Doctor.objects.filter(pk__in=[admin.pk for admin in admins]).update(is_superuser=False)
