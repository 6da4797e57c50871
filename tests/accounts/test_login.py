"""Logging in and out, resetting and changing the password, and how often one may try."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.shortcuts import resolve_url

from accounts.models import ApiToken, Doctor

from .factories import PASSWORD, AdminFactory, DoctorFactory, token_for

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
RESET = "/accounts/password/reset/"
NEW = "a new horse battery"


def log_in(client, email, password=PASSWORD, **query):
    return client.post(LOGIN, {"login": email, "password": password}, query_params=query)


def is_logged_in(client) -> bool:
    return client.get("/account/").status_code == 200


def link_in(message) -> str:
    return re.search(r"http://testserver(/\S+)", message.body)[1]


@pytest.mark.parametrize("email", ["anne@example.org", " ANNE@Example.org "])
def test_by_email_in_any_case(client, email, settings):
    DoctorFactory(email="anne@example.org")
    response = log_in(client, email)
    assert (response.status_code, response.url) == (302, resolve_url(settings.LOGIN_REDIRECT_URL))
    assert is_logged_in(client)


def test_by_international_domain(client):
    DoctorFactory(email="anne@xn--hpital-ixa.fr")
    assert log_in(client, "anne@hôpital.fr").status_code == 302


def test_an_address_that_an_account_only_wants_opens_nobodys(client):
    anne = DoctorFactory(email="anne@example.org")
    EmailAddress.objects.create(user=anne, email="wanted@example.org", verified=False)
    assert log_in(client, "wanted@example.org").status_code == 200
    assert not is_logged_in(client)
    assert log_in(client, "anne@example.org").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [("anne@example.org", "a guess"), ("nobody@example.org", PASSWORD)],
)
def test_wrong_address_and_wrong_password_are_answered_alike(client, email, password):
    DoctorFactory(email="anne@example.org")
    response = log_in(client, email, password)
    assert response.status_code == 200
    assert not is_logged_in(client)
    html = response.content.decode()
    assert response.context["form"].errors == {
        "__all__": ["The e-mail address or the password is wrong."]
    }
    assert f'value="{email}"' in html
    assert password not in html


def test_a_registration_number_is_no_login(client):
    response = log_in(client, DoctorFactory().registration_number)
    assert list(response.context["form"].errors) == ["login"]


def test_each_empty_field_has_its_sentence(client):
    assert log_in(client, "", "").context["form"].errors == {
        "login": ["Enter your e-mail address."],
        "password": ["Enter your password."],
    }


def test_the_session_ends_with_the_browser(client):
    log_in(client, DoctorFactory().email)
    assert client.session.get_expire_at_browser_close()
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_where_a_login_leads(client):
    assert log_in(client, AdminFactory().email).url == "/admin/"
    client.logout()
    assert log_in(client, DoctorFactory(pending=True).email).url == "/account/waiting/"
    client.logout()
    assert log_in(client, DoctorFactory().email, next="/account/").url == "/account/"
    client.logout()
    url = log_in(client, DoctorFactory().email, next="https://evil.example.com/").url
    assert "evil" not in url


def test_an_unconfirmed_address_gets_a_new_mail_instead_of_a_session(client):
    doctor = DoctorFactory(email_confirmed=False)
    response = log_in(client, doctor.email)
    assert response.url == "/accounts/confirm-email/"
    assert not is_logged_in(client)
    assert mail.outbox[0].to == [doctor.email]
    client.post(link_in(mail.outbox[0]))
    assert is_logged_in(client)


def test_a_closed_account_is_told_so(client):
    doctor = DoctorFactory(is_active=False)
    response = log_in(client, doctor.email)
    assert response.url == "/accounts/inactive/"
    assert "An administrator can open it again" in client.get(response.url).content.decode()
    assert not is_logged_in(client)


def test_a_signed_in_doctor_needs_no_login(client_for):
    client = client_for(DoctorFactory())
    assert client.get(LOGIN).status_code == 302
    assert client.get("/accounts/signup/").status_code == 302


def test_looking_at_the_logout_page_logs_nobody_out(client_for):
    client = client_for(DoctorFactory())
    assert client.get("/accounts/logout/").status_code == 200
    assert is_logged_in(client)
    assert client.post("/accounts/logout/").url == "/"
    assert not is_logged_in(client)


class TestLimits:
    def test_failures_of_one_address(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/5m/key"}
        doctor, other = DoctorFactory(), DoctorFactory()
        for _ in range(2):
            log_in(client, doctor.email, "wrong")
        response = log_in(client, doctor.email.upper())
        assert response.context["form"].errors == {
            "__all__": ["Too many failed attempts. Wait a few minutes before you try again."]
        }
        assert not is_logged_in(client)
        assert log_in(client, other.email).status_code == 302

    def test_failures_of_one_machine(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/m/ip"}
        for number in range(2):
            log_in(client, f"guess{number}@example.org", "wrong")
        log_in(client, DoctorFactory().email)
        assert not is_logged_in(client)

    def test_another_machine_is_not_kept_out(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
        assert log_in(client, "a@example.org").status_code == 200
        assert log_in(client, "a@example.org").status_code == 429
        other = type(client)(REMOTE_ADDR="192.0.2.7")
        assert log_in(other, "a@example.org").status_code == 200

    def test_a_forged_address_makes_no_other_machine(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
        for n, status in ((1, 200), (2, 429)):
            response = client.post(
                LOGIN, {"login": "a@b.org", "password": "x"}, HTTP_X_FORWARDED_FOR=f"192.0.2.{n}"
            )
            assert response.status_code == status

    def test_correct_logins_don_t_count(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/5m/key"}
        doctor = DoctorFactory()
        for _ in range(4):
            assert log_in(client, doctor.email).status_code == 302
            client.logout()

    def test_resets(self, client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"reset_password": "2/m/key"}
        for status in (302, 302, 429):
            assert client.post(RESET, {"email": "a@example.org"}).status_code == status
        assert len(mail.outbox) == 2


class TestReset:
    def test_by_mail(self, client, client_for):
        doctor = DoctorFactory()
        elsewhere = client_for(doctor)
        token_for(doctor)
        response = client.post(RESET, {"email": doctor.email.upper()})
        assert response.url == "/accounts/password/reset/done/"
        assert client.get(response.url).status_code == 200
        link = link_in(mail.outbox[0])
        response = client.get(link)
        assert response.url.endswith("-set-password/")  # the key leaves the address
        page = client.get(response.url)
        assert page.status_code == 200
        done = client.post(response.url, {"password1": NEW, "password2": NEW})
        assert client.get(done.url).status_code == 200
        doctor.refresh_from_db()
        assert doctor.check_password(NEW)
        assert not is_logged_in(elsewhere)
        assert not ApiToken.objects.exists()
        assert mail.outbox[1].to == [doctor.email]
        assert "has been reset" in mail.outbox[1].body
        assert log_in(client, doctor.email, NEW).status_code == 302
        # the link works once
        client.logout()
        assert "used already" in client.get(link).content.decode()

    @pytest.mark.parametrize(
        ("first", "second", "field"),
        [("", "", "password1"), ("short", "short", "password1"), (NEW, "other", "password2")],
    )
    def test_mistakes(self, client, first, second, field):
        doctor = DoctorFactory()
        client.post(RESET, {"email": doctor.email})
        url = client.get(link_in(mail.outbox[0])).url
        response = client.post(url, {"password1": first, "password2": second})
        assert field in response.context["form"].errors
        doctor.refresh_from_db()
        assert doctor.check_password(PASSWORD)

    def test_of_an_unknown_address_looks_the_same(self, client):
        known = client.post(RESET, {"email": DoctorFactory().email})
        unknown = client.post(RESET, {"email": "nobody@example.org"})
        assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
        assert [m.subject for m in mail.outbox] == [
            "[PneumoniApp] Choose a new password",
            "[PneumoniApp] There is no account with this address",
        ]

    def test_of_an_unknown_address_is_said_where_the_setting_says_so(self, client, settings):
        settings.ACCOUNT_PREVENT_ENUMERATION = False
        response = client.post(RESET, {"email": "nobody@example.org"})
        assert response.context["form"].errors == {"email": ["No account has this e-mail address."]}

    def test_goes_to_the_accounts_own_address_alone(self, client):
        """An address that somebody only wants to change to opens nothing."""
        doctor = DoctorFactory()
        EmailAddress.objects.create(user=doctor, email="typo@example.org")
        client.post(RESET, {"email": "typo@example.org"})
        assert "There is no such account" in mail.outbox[0].body

    def test_of_a_closed_account_sends_no_key(self, client):
        doctor = DoctorFactory(is_active=False)
        client.post(RESET, {"email": doctor.email})
        assert "/password/reset/key/" not in mail.outbox[0].body


class TestChange:
    URL = "/accounts/password/change/"

    def test_ends_the_other_sessions(self, client_for):
        doctor = DoctorFactory()
        client, elsewhere = client_for(doctor), client_for(doctor)
        facts = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
        assert client.get(self.URL).status_code == 200
        assert client.post(self.URL, facts).url == "/account/"
        assert is_logged_in(client)
        assert not is_logged_in(elsewhere)
        assert mail.outbox[0].subject == "[PneumoniApp] Your password has been changed"

    def test_needs_the_present_password(self, client_for):
        client = client_for(DoctorFactory())
        facts = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
        response = client.post(self.URL, facts)
        assert response.context["form"].errors == {
            "oldpassword": ["This is not your current password."]
        }

    def test_needs_a_login(self, client):
        assert client.get(self.URL).url.startswith(LOGIN)


class TestEmailChange:
    URL = "/accounts/email/"

    @pytest.fixture
    def doctor(self):
        return DoctorFactory(email="old@example.org", language="en")

    @pytest.fixture
    def changing(self, client, doctor):
        """A client that has just entered its password."""
        log_in(client, doctor.email)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        return client

    def ask(self, client, email):
        return client.post(self.URL, {"email": email, "action_add": ""})

    def test_asks_for_the_password_first(self, client, doctor):
        log_in(client, doctor.email)
        response = self.ask(client, "new@example.org")
        assert response.url.startswith("/accounts/reauthenticate/")
        assert client.get(response.url).status_code == 200
        client.post(response.url, {"password": PASSWORD})
        assert EmailAddress.objects.filter(email="new@example.org", verified=False).exists()

    def test_takes_effect_when_confirmed(self, changing, doctor):
        assert self.ask(changing, "New@example.org").url == self.URL
        page = changing.get(self.URL).content.decode()
        assert "new@example.org" in page
        assert "Send the link again" in page
        doctor.refresh_from_db()
        assert doctor.email == "old@example.org"
        assert mail.outbox[0].to == ["new@example.org"]
        assert changing.post(link_in(mail.outbox[0])).url == "/account/"
        doctor.refresh_from_db()
        assert doctor.email == "new@example.org"
        assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [
            ("new@example.org", True, True)
        ]
        assert mail.outbox[1].to == ["old@example.org"]
        assert log_in(type(changing)(), "new@example.org").status_code == 302
        assert log_in(type(changing)(), "old@example.org").status_code == 200

    def test_can_be_called_off(self, changing, doctor):
        self.ask(changing, "new@example.org")
        changing.post(self.URL, {"email": "new@example.org", "action_remove": ""})
        assert list(EmailAddress.objects.values_list("email", flat=True)) == ["old@example.org"]

    def test_the_own_address_can_t_be_removed(self, changing, doctor):
        changing.post(self.URL, {"email": "old@example.org", "action_remove": ""})
        assert EmailAddress.objects.get(user=doctor).email == "old@example.org"
        doctor.refresh_from_db()
        assert doctor.email == "old@example.org"

    def test_to_a_taken_address_looks_the_same_and_changes_nothing(self, changing, doctor):
        DoctorFactory(email="taken@example.org", language="en")
        assert self.ask(changing, "taken@example.org").url == self.URL
        assert "taken@example.org" in changing.get(self.URL).content.decode()
        (message,) = mail.outbox
        assert message.subject.endswith("You have an account already")
        assert "confirm-email" not in message.body
        doctor.refresh_from_db()
        assert doctor.email == "old@example.org"

    def test_to_an_address_that_somebody_signed_up_with_meanwhile(self, changing, doctor):
        self.ask(changing, "new@example.org")
        DoctorFactory(email="new@example.org", email_confirmed=False)
        link = link_in(mail.outbox[0])
        changing.post(link)
        doctor.refresh_from_db()
        assert doctor.email == "old@example.org"
        assert "belongs to another account by now" in changing.get("/account/").content.decode()

    def test_a_wish_to_change_keeps_nobody_from_signing_up(self, changing, client, doctor):
        from .test_signup import SIGNUP, typed

        self.ask(changing, "new@example.org")
        type(client)().post(SIGNUP, typed(email="new@example.org"))
        assert Doctor.objects.filter(email="new@example.org").exists()

    @pytest.mark.parametrize(
        ("email", "sentence"),
        [
            ("", "Enter your e-mail address."),
            ("nobody", "Enter a valid email address."),
            ("OLD@example.org", "This is your e-mail address already."),
        ],
    )
    def test_mistakes(self, changing, email, sentence):
        assert self.ask(changing, email).context["form"].errors == {"email": [sentence]}

    def test_to_a_taken_address_is_said_where_the_setting_says_so(self, changing, settings):
        settings.ACCOUNT_PREVENT_ENUMERATION = False
        DoctorFactory(email="taken@example.org")
        assert self.ask(changing, "taken@example.org").context["form"].errors == {
            "email": ["An account with this e-mail address exists already."]
        }
