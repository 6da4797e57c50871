"""The account page: names, language."""

import pytest
from django.conf import settings as django_settings
from django.test import Client

from operations.models import AccessEvent

from .factories import DoctorFactory

pytestmark = pytest.mark.django_db
URL = "/account/"
COOKIE = django_settings.LANGUAGE_COOKIE_NAME


@pytest.fixture
def doctor():
    return DoctorFactory(first_name="Anne", last_name="Martin", language="en")


@pytest.fixture
def client(client_for, doctor):
    return client_for(doctor)


def facts(**changes) -> dict:
    return {"first_name": "Anne", "last_name": "Martin", "language": "en"} | changes


def test_needs_a_login():
    assert Client().get(URL).url.startswith("/accounts/login/")
    assert Client().post(URL).url.startswith("/accounts/login/")


def test_looking_takes_three_queries(client, django_assert_num_queries):
    with django_assert_num_queries(3):  # session, account, the form's row
        client.get(URL)


def test_shows_what_is_known(client, doctor):
    page = client.get(URL)
    html = page.content.decode()
    for text in (doctor.registration_number, doctor.email, 'value="Anne"', 'value="Martin"'):
        assert text in html
    assert "no-store" in page.headers["Cache-Control"]
    assert doctor.password not in html


def test_mails_come_to_who_asks_for_them_and_to_nobody_else(client, doctor):
    assert not doctor.mail_when_read
    client.post(URL, facts(mail_when_read="on"))
    doctor.refresh_from_db()
    assert doctor.mail_when_read
    client.post(URL, facts())
    doctor.refresh_from_db()
    assert not doctor.mail_when_read


def test_a_doctor_begins_and_ends_to_read_first(client, doctor):
    client.post(URL, facts(read_first="on"))
    doctor.refresh_from_db()
    assert doctor.read_first
    since = doctor.read_first_since
    client.post(URL, facts(read_first="on"))
    doctor.refresh_from_db()
    assert doctor.read_first_since == since
    client.post(URL, facts())
    doctor.refresh_from_db()
    assert not doctor.read_first


def test_names_are_changed_in_their_one_spelling(client, doctor):
    response = client.post(URL, facts(first_name="  E\u0301lodie", last_name="de  La Tour"))
    assert response.url == URL
    doctor.refresh_from_db()
    assert doctor.get_full_name() == "\u00c9lodie de La Tour"
    event = AccessEvent.objects.get()
    assert (event.actor, event.action, event.object_id) == (doctor, "update", str(doctor.pk))


def test_a_mistake_is_said_beside_its_field_and_changes_nothing(client, doctor):
    response = client.post(URL, facts(first_name="R2D2", last_name=""))
    assert response.status_code == 422
    assert response.context["form"].errors == {
        "first_name": ["Use letters, spaces, hyphens and apostrophes only."],
        "last_name": ["Enter your last name."],
    }
    assert 'value="R2D2"' in response.content.decode()
    doctor.refresh_from_db()
    assert doctor.get_full_name() == "Anne Martin"


def test_what_doctors_may_not_change_stays(client, doctor):
    number = doctor.registration_number
    client.post(
        URL,
        facts(
            registration_number="10000000009",
            email="x@example.org",
            is_staff="on",
            verification="verified",
        ),
    )
    doctor.refresh_from_db()
    assert (doctor.registration_number, doctor.is_staff) == (number, False)
    assert doctor.email != "x@example.org"


def test_the_language_is_changed_with_the_pages(client, doctor):
    response = client.post(URL, facts(language="fr"))
    assert response.cookies[COOKIE].value == "fr"
    doctor.refresh_from_db()
    assert doctor.language == "fr"
    assert client.get(URL).headers["Content-Language"] == "fr"


def test_an_unknown_language_is_refused(client, doctor):
    assert client.post(URL, facts(language="tlh")).status_code == 422


class TestLanguage:
    """The switch first, then the account, then the browser, then French."""

    def language(self, client, **headers) -> str:
        return client.get(URL, headers=headers, follow=True).headers["Content-Language"]

    @pytest.fixture
    def client(self):
        return Client()

    def test_french_by_default(self, client):
        assert self.language(client) == "fr"
        assert self.language(client, accept_language="de") == "fr"

    def test_the_browsers(self, client):
        assert self.language(client, accept_language="en-GB,en;q=0.8") == "en"

    @pytest.mark.parametrize(("account", "browser"), [("en", "fr"), ("fr", "en")])
    def test_the_accounts_before_the_browsers(self, client, account, browser):
        client.force_login(DoctorFactory(language=account))
        assert self.language(client, accept_language=browser) == account

    def test_the_switch_before_all_and_remembered(self, client):
        doctor = DoctorFactory(language="fr")
        client.force_login(doctor)
        client.post("/i18n/setlang/", {"language": "en"})
        assert self.language(client, accept_language="fr") == "en"
        doctor.refresh_from_db()
        assert doctor.language == "en"
        elsewhere = Client()
        elsewhere.force_login(doctor)
        assert self.language(elsewhere, accept_language="fr") == "en"

    def test_the_switch_without_a_login(self, client):
        client.post("/i18n/setlang/", {"language": "en"})
        assert self.language(client, accept_language="fr") == "en"

    @pytest.mark.parametrize("language", ["", "tlh", "../../etc", "x" * 600])
    def test_a_language_that_does_not_exist_changes_nothing(self, client, language):
        doctor = DoctorFactory(language="en")
        client.force_login(doctor)
        assert client.post("/i18n/setlang/", {"language": language}).status_code in (204, 302)
        doctor.refresh_from_db()
        assert doctor.language == "en"
        client.cookies[COOKIE] = "tlh"
        assert self.language(client) == "en"

    def test_looking_switches_nothing(self, client):
        doctor = DoctorFactory(language="fr")
        client.force_login(doctor)
        client.get("/i18n/setlang/?language=en")
        doctor.refresh_from_db()
        assert doctor.language == "fr"

    def test_the_switch_leads_nowhere_else(self, client):
        facts = {"language": "en", "next": "https://evil.example.com/"}
        assert client.post("/i18n/setlang/", facts).url == "/"
