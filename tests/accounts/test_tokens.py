"""Tokens: made, shown once, listed, revoked; what is kept of them and who is told."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import AccountSuspendedError
from accounts.models import ApiToken
from accounts.tasks import purge
from accounts.tokens.errors import TooManyTokensError
from accounts.tokens.networks import (
    MOST_NETWORKS,
    address_normalize,
    address_within,
    networks_normalize,
)
from accounts.tokens.services import token_create, token_find
from accounts.tokens.text import PATTERN, token_digest, token_text
from operations.models import AccessEvent

from .factories import PASSWORD, AdminFactory, DoctorFactory, practice_of, token_for

pytestmark = pytest.mark.django_db
URL = "/account/tokens/"
ASKED = {"name": " Archive  3 ", "scopes": ["upload", "read"], "days": 30, "networks": ""}
VALUES = {"name": "Archive", "scopes": ["read"]}


@pytest.fixture
def doctor():
    return DoctorFactory(language="en")


@pytest.fixture
def client(client_for, doctor):
    return client_for(doctor)


def end(token) -> str:
    return reverse("accounts:token_end", args=[token.pk])


class TestText:
    def test_two_hundred_and_fifty_six_random_bits_that_a_scanner_finds(self):
        texts = {token_text() for _ in range(50)}
        assert len({PATTERN.fullmatch(text)[1] for text in texts}) == 50
        line = f"export TOKEN='{min(texts)}' # of the archive"
        assert re.search(r"pna_[0-9a-f]{72}", line)[0] == min(texts)

    def test_its_sha_256_is_kept(self):
        text = token_text()
        assert token_digest(text) == hashlib.sha256(text.encode()).hexdigest()

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "",
            lambda text: text.upper(),
            lambda text: text + "\n",
            lambda text: " " + text,
            lambda text: text[:-1],
            lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
            lambda text: text.replace(text[10], "x"),
            lambda text: text * 1000,
            lambda text: "pna_" + "٣" * 72,
        ],
    )
    def test_junk_costs_no_query(self, change, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert token_find(change(token_text())) is None

    def test_what_is_kept_opens_nothing(self, doctor):
        token_for(doctor)
        row = ApiToken.objects.get()
        assert token_find(row.digest) is None
        assert token_find(row.hint) is None


class TestNetworks:
    def test_one_spelling_once(self):
        given = ["192.0.2.7", "2001:DB8:0::/32", "192.0.2.7/32", "10.0.0.0/255.0.0.0"]
        assert networks_normalize(given) == ["192.0.2.7/32", "2001:db8::/32", "10.0.0.0/8"]

    @pytest.mark.parametrize(
        "text",
        ["", "x", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.1", "fe80::1%eth0", "1" * 5000, "1"],
    )
    def test_what_is_none_is_refused(self, text):
        with pytest.raises(ValidationError) as caught:
            networks_normalize([text])
        assert len(caught.value.messages[0]) < 200

    def test_not_too_many(self):
        networks_normalize([f"10.0.{n}.0/24" for n in range(MOST_NETWORKS)])
        with pytest.raises(ValidationError):
            networks_normalize(["10.0.0.0/8"] * (MOST_NETWORKS + 1))

    @pytest.mark.parametrize(
        ("address", "within"),
        [
            ("10.9.8.7", True),
            ("11.0.0.1", False),
            ("::ffff:10.9.8.7", True),
            ("2001:db8::1", True),
            ("2001:db9::1", False),
            ("fe80::1%eth0", True),
            ("10.0.0.1\n", False),
            ("", False),
            ("unknown", False),
        ],
    )
    def test_within(self, address, within):
        networks = ["10.0.0.0/8", "2001:db8::/32", "fe80::/10"]
        assert address_within(address_normalize(address), networks) is within


class TestMaking:
    def test_shown_once_and_kept_as_a_hash(self, client, doctor, django_assert_num_queries):
        response = client.post(URL, ASKED)
        assert response.status_code == 201
        assert "no-store" in response.headers["Cache-Control"]
        text = response.context["text"]
        assert f'value="{text}"' in response.content.decode()
        token = ApiToken.objects.get(owner=doctor)
        assert (token.name, token.scopes, token.networks) == ("Archive 3", ["read", "upload"], [])
        assert (token.created_by, token.last_used_at) == (doctor, None)
        left = token.expires_at - timezone.now()
        assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
        kept = str(ApiToken.objects.values().get())
        assert text not in kept
        assert text[12:20] not in kept
        page = client.get(URL).content.decode()
        assert text not in page
        assert token.digest not in page
        assert "Archive 3" in page
        assert text[:12] in page

    def test_ninety_days_unless_said_otherwise(self, client, doctor, settings):
        assert settings.API_TOKEN_DAYS == 90
        assert client.get(URL).context["form"].initial["days"] == 90
        token, _text = token_create(owner=doctor, **VALUES)
        assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)
        settings.API_TOKEN_MAX_DAYS = 7  # the shorter of the two holds
        assert client.get(URL).context["form"].initial["days"] == 7
        token, _text = token_create(owner=doctor, **VALUES)
        assert token.expires_at - timezone.now() <= timedelta(days=7)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": "a\u202eb"}, "name"),
            ({"name": "a\x00b"}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["all"]}, "scopes"),
            ({"days": "0"}, "days"),
            ({"days": "366"}, "days"),
            ({"days": "9" * 30}, "days"),
            ({"days": "soon"}, "days"),
            ({"networks": "10.0.0.1/8"}, "networks"),
            ({"networks": "x" * 5000}, "networks"),
            ({"networks": "10.0.0.1 " * 21}, "networks"),
        ],
    )
    def test_a_mistake_is_said_beside_its_field(self, client, changes, field):
        response = client.post(URL, ASKED | changes)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        assert not ApiToken.objects.exists()
        assert not mail.outbox

    def test_all_mistakes_at_once(self, doctor, client):
        wrong = {"name": "", "scopes": [], "days": 0, "networks": "x"}
        assert client.post(URL, wrong).context["form"].errors.keys() == wrong.keys()
        with pytest.raises(ValidationError) as caught:
            token_create(owner=doctor, name="\u202e", scopes=[], networks=["x"])
        assert set(caught.value.message_dict) == {"name", "scopes", "networks"}

    def test_a_name_comes_into_no_header(self, client, doctor, django_capture_on_commit_callbacks):
        name = "A\r\nBcc: x@example.org\nSet-Cookie: a=b"
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post(URL, ASKED | {"name": name})
        assert response.status_code == 201
        [message] = mail.outbox
        assert message.to == [doctor.email]
        assert message.recipients() == [doctor.email]
        assert "Bcc" not in message.subject
        assert not any("Bcc" in header for header in dict(message.message()))
        assert ApiToken.objects.get().name == "A Bcc: x@example.org Set-Cookie: a=b"
        assert "a" not in response.cookies

    def test_a_name_is_text_on_the_page(self, client):
        client.post(URL, ASKED | {"name": "<script>alert(1)</script>"})
        assert b"<script>alert" not in client.get(URL).content

    def test_the_owner_is_told_by_mail_and_not_the_secret(
        self, client, doctor, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            text = client.post(URL, ASKED).context["text"]
        [message] = mail.outbox
        assert message.to == [doctor.email]
        assert "Archive 3" in message.body
        assert "127.0.0.1" in message.body
        assert f"http://testserver{URL}" in message.body
        assert text[:12] not in message.body
        assert "read: patients" in message.body

    def test_is_recorded_by_its_key(self, client, doctor):
        client.post(URL, ASKED)
        client.post(end(ApiToken.objects.get()))
        events = AccessEvent.objects.filter(object_type="accounts.apitoken").order_by("pk")
        assert [(e.action, e.actor) for e in events] == [("create", doctor), ("delete", doctor)]
        assert len({event.object_id for event in events}) == 1

    def test_there_is_a_limit_of_those_that_work(self, client, doctor, settings):
        settings.API_TOKEN_LIMIT = 2
        token_for(doctor, expires_at=timezone.now())
        assert [client.post(URL, ASKED).status_code for _ in range(3)] == [201, 201, 422]
        assert "2 tokens already" in client.post(URL, ASKED).content.decode()
        with pytest.raises(TooManyTokensError):
            token_create(owner=doctor, **VALUES)

    def test_who_was_suspended_meanwhile_gets_none(self, doctor):
        stale = type(doctor).objects.get(pk=doctor.pk)
        doctor.verification = "suspended"
        doctor.save()
        with pytest.raises(AccountSuspendedError):
            token_create(owner=stale, **VALUES)
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("facts", [{"pending": True}, {"suspended": True}])
    def test_for_doctors_who_may_practise(self, client_for, facts):
        client = client_for(DoctorFactory(**facts))
        assert client.post(URL, ASKED).status_code == 302
        assert client.get(URL).status_code == 302
        assert not ApiToken.objects.exists()

    def test_not_for_administrators(self, client_for):
        assert client_for(AdminFactory()).post(URL, ASKED).status_code == 302
        assert not ApiToken.objects.exists()

    def test_asks_for_the_password_if_it_was_given_long_ago(self, client, time_machine):
        time_machine.move_to(timezone.now() + timedelta(minutes=20))
        assert client.get(URL).status_code == 200
        asked = client.post(URL, ASKED)
        assert asked.url.startswith("/accounts/reauthenticate/")
        assert not ApiToken.objects.exists()
        # It goes on by itself, with what was sent.
        assert client.post(asked.url, {"password": PASSWORD}).status_code == 201
        assert ApiToken.objects.get().name == "Archive 3"

    def test_a_program_judges_nothing(self, doctor):
        practice = practice_of(owner=doctor)
        program = DoctorFactory(
            registration_number=None, is_service=True, practice=practice, practice_role="doctor"
        )
        with pytest.raises(ValidationError) as caught:
            token_create(owner=program, name="A", scopes=["read", "review"], by=doctor)
        assert "scopes" in caught.value.message_dict


class TestEnding:
    def test_one_is_revoked_at_once_without_the_password(self, client, doctor, time_machine):
        token_for(doctor, name="gone")
        token_for(doctor, name="kept")
        time_machine.move_to(timezone.now() + timedelta(minutes=20))
        assert client.post(end(ApiToken.objects.get(name="gone"))).url == URL
        assert ApiToken.objects.get().name == "kept"

    def test_not_by_looking(self, client, doctor):
        token_for(doctor)
        assert client.get(end(ApiToken.objects.get())).status_code == 405
        assert ApiToken.objects.exists()

    def test_of_another_doctor_is_not_found_nor_listed(self, client):
        token_for(DoctorFactory(), name="Theirs")
        assert client.post(end(ApiToken.objects.get())).status_code == 404
        assert "Theirs" not in client.get(URL).content.decode()
        assert ApiToken.objects.exists()

    def test_an_ended_one_is_not_listed_and_is_purged(self, client, doctor):
        token_for(doctor, name="ended", expires_at=timezone.now())
        token_for(doctor, name="alive")
        html = client.get(URL).content.decode()
        assert "alive" in html
        assert "ended" not in html
        purge()
        assert ApiToken.objects.get().name == "alive"

    def test_of_a_program_by_an_owner_alone(self, client_for, doctor):
        practice = practice_of(owner=doctor, doctor=DoctorFactory())
        program = DoctorFactory(
            registration_number=None, is_service=True, practice=practice, practice_role="doctor"
        )
        token_for(program)
        url = reverse("accounts:program_token_end", args=[program.pk, ApiToken.objects.get().pk])
        member = practice.memberships.get(role="doctor").doctor
        assert client_for(member).post(url).status_code == 404
        own = reverse("accounts:token_end", args=[ApiToken.objects.get().pk])
        assert client_for(doctor).post(own).status_code == 404
        assert client_for(doctor).post(url).status_code == 302
        assert not ApiToken.objects.exists()


def test_the_page_costs_the_same_for_any_number_of_tokens(
    client, doctor, django_assert_num_queries
):
    for _ in range(20):
        token_for(doctor)
    with django_assert_num_queries(3):  # session, account, tokens
        client.get(URL)


def test_an_empty_page_says_what_tokens_are_for(client):
    assert "No token yet" in client.get(URL).content.decode()


def test_needs_a_login():
    assert Client().get(URL).url.startswith("/accounts/login/")
    assert Client().post(URL, ASKED).url.startswith("/accounts/login/")


class TestAdmin:
    LIST = "/admin/accounts/apitoken/"

    @pytest.fixture
    def admin(self, client_for):
        return client_for(AdminFactory(language="en"))

    def test_shows_no_secret(self, admin, doctor):
        text = token_for(doctor, name="Archive", networks=["10.0.0.0/8"])
        token = ApiToken.objects.get()
        for url in (self.LIST, f"{self.LIST}{token.pk}/change/"):
            html = admin.get(url).content.decode()
            assert "Archive" in html
            assert "10.0.0.0/8" in html
            for secret in (text, text[12:], token.digest):
                assert secret not in html

    def test_revokes(self, admin, doctor):
        token_for(doctor)
        token = ApiToken.objects.get()
        admin.post(self.LIST, {"action": "revoke", "_selected_action": str(token.pk)})
        assert not ApiToken.objects.exists()
        event = AccessEvent.objects.get(object_type="accounts.apitoken", action="delete")
        assert event.object_id == str(token.pk)

    @pytest.mark.parametrize(("state", "names"), [
        ("valid", {"alive", "used"}), ("ended", {"ended"}), ("unused", {"alive", "ended"}),
    ])  # fmt: skip
    def test_filters(self, admin, doctor, state, names):
        now = timezone.now()
        token_for(doctor, name="alive")
        token_for(doctor, name="ended", expires_at=now)
        token_for(doctor, name="used", last_used_at=now)
        found = admin.get(f"{self.LIST}?state={state}").context["cl"].result_list
        assert {token.name for token in found} == names

    def test_nobody_makes_or_changes_one_there(self, admin, doctor):
        token_for(doctor)
        assert admin.get(f"{self.LIST}add/").status_code == 403
        change = f"{self.LIST}{ApiToken.objects.get().pk}/change/"
        assert admin.post(change, {"name": "Mine"}).status_code == 403
        assert admin.post(f"{self.LIST}{ApiToken.objects.get().pk}/delete/").status_code == 403
