"""The account page: names, language, tokens."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from accounts.errors import TooManyTokensError
from accounts.tasks import purge
from accounts.tokens import token_create
from operations.models import AccessEvent

from .factories import AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db
URL = "/account/"
NEW = "/account/tokens/"
REVOKE = "/account/tokens/revoke/"
COOKIE = django_settings.LANGUAGE_COOKIE_NAME


@pytest.fixture
def doctor():
    return DoctorFactory(first_name="Anne", last_name="Martin", language="en")


@pytest.fixture
def client(client_for, doctor):
    return client_for(doctor)


def facts(**changes) -> dict:
    return {"first_name": "Anne", "last_name": "Martin", "language": "en"} | changes


@pytest.mark.parametrize("url", [URL, NEW, REVOKE])
def test_needs_a_login(url):
    assert Client().get(url).url.startswith("/accounts/login/")
    assert Client().post(url).url.startswith("/accounts/login/")


@pytest.mark.parametrize("url", [NEW, REVOKE])
def test_tokens_are_not_made_or_revoked_by_looking(client, url):
    assert client.get(url).status_code == 405


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


class TestTokens:
    def test_is_shown_once_and_stored_as_a_hash(self, client, doctor):
        response = client.post(NEW)
        assert response.status_code == 201
        assert "no-store" in response.headers["Cache-Control"]
        text = response.context["text"]
        assert f'value="{text}"' in response.content.decode()
        token = AuthToken.objects.get(user=doctor)
        assert text not in (token.digest, token.token_key)
        lifetime = token.expiry - timezone.now()
        days = timedelta(days=django_settings.API_TOKEN_DAYS)
        assert days - timedelta(minutes=1) < lifetime <= days
        html = client.get(URL).content.decode()
        assert text not in html
        assert token.token_key not in html
        assert text[:8] in html

    def test_is_revoked(self, client, doctor):
        client.post(NEW)
        keep = AuthToken.objects.get()
        client.post(NEW)
        gone = AuthToken.objects.exclude(digest=keep.digest).get()
        assert client.post(REVOKE, {"token": gone.digest}).url == URL
        assert AuthToken.objects.get() == keep
        actions = AccessEvent.objects.filter(object_type="knox.authtoken").order_by("pk")
        assert list(actions.values_list("action", flat=True)) == ["create", "create", "delete"]
        assert {len(event.object_id) for event in actions} == {8}

    @pytest.mark.parametrize("digest", ["", "junk", "\x00"])
    def test_what_is_no_token_is_not_found(self, client, digest):
        assert client.post(REVOKE, {"token": digest}).status_code == 404

    def test_of_another_doctor_is_not_found(self, client):
        token, _text = AuthToken.objects.create(user=DoctorFactory())
        assert client.post(REVOKE, {"token": token.digest}).status_code == 404
        assert AuthToken.objects.filter(pk=token.pk).exists()
        assert token.token_key[:8] not in client.get(URL).content.decode()

    def test_an_ended_one_is_not_listed_and_is_purged(self, client, doctor):
        ended, _text = AuthToken.objects.create(user=doctor, expiry=timedelta(seconds=-1))
        alive, _text = AuthToken.objects.create(user=doctor)
        html = client.get(URL).content.decode()
        assert ended.token_key[:8] not in html
        assert alive.token_key[:8] in html
        purge()
        assert AuthToken.objects.get() == alive

    def test_there_is_a_limit(self, client, doctor, settings):
        settings.API_TOKEN_LIMIT = 2
        for status in (201, 201, 302):
            assert client.post(NEW).status_code == status
        assert AuthToken.objects.count() == 2
        assert "2 tokens already" in client.get(URL).content.decode()
        with pytest.raises(TooManyTokensError):
            token_create(doctor=doctor)

    @pytest.mark.parametrize("facts", [{"pending": True}, {"suspended": True}])
    def test_are_for_doctors_who_may_practise(self, client_for, facts):
        client = client_for(DoctorFactory(**facts))
        assert client.get(URL).status_code == 200
        assert "Tokens for programs" not in client.get(URL).content.decode()
        assert client.post(NEW).url == URL
        assert not AuthToken.objects.exists()

    def test_are_not_for_administrators(self, client_for):
        assert client_for(AdminFactory()).post(NEW).url == URL
        assert not AuthToken.objects.exists()

    def test_listing_them_takes_as_many_queries_as_one(
        self, client, doctor, django_assert_num_queries
    ):
        for _ in range(20):
            AuthToken.objects.create(user=doctor)
        with django_assert_num_queries(4):  # session, account, the form's row, tokens
            client.get(URL)


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
