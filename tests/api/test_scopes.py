"""What a token may do, from where and until when; and that no route forgets to ask."""

import datetime as dt
import hashlib
import ipaddress
import logging
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core import mail
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from accounts.models import ApiToken
from accounts.services import access_end
from operations.models import AccessEvent
from pneumoniapp.api.docs import schema
from pneumoniapp.api.errors import TokenScopeError
from pneumoniapp.scopes import ANY, Scope
from tests.access_routes import API
from tests.accounts.factories import PASSWORD, DoctorFactory, token_for
from tests.test_access import ask, outcome, resolver_names, world  # noqa: F401

from .problems import assert_problem

pytestmark = pytest.mark.django_db
ME, PATIENTS, TOKEN = "/api/v1/me/", "/api/v1/patients/", "/api/v1/auth/token/"
OPEN = {"api:token", "api:problems", "api:problem"}  # no token is taken there


@pytest.fixture
def program(api_for):
    """``program(owner, **values)``: a client with such a token."""

    def make(owner, *, language="en", **values):
        client = api_for(None, language=language)
        text = token_for(owner, **values)
        client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
        client.text = text
        return client

    return make


def declared() -> dict[tuple[str, str], str | None]:
    """The scope of every route and method that takes a token."""
    found = {}
    for name, pattern in resolver_names().items():
        view = getattr(pattern.callback, "cls", None)
        if not name.startswith("api:") or view is None or name in OPEN:
            continue
        assert view.authentication_classes, name
        actions = getattr(pattern.callback, "actions", None)
        if actions is None:
            actions = {m: m for m in view.http_method_names if hasattr(view, m) and m != "head"}
        for method, action in actions.items():
            if method != "head":
                found[name, method.upper()] = view.scope_of(action)
    return found


SCOPED = declared()


def test_every_route_and_method_declares_its_scope():
    assert {key for key, scope in SCOPED.items() if scope not in (*Scope, ANY)} == set()
    assert {key for key, scope in SCOPED.items() if scope == ANY} == {
        ("api:me", "GET"),
        ("api:logout", "POST"),
    }
    # What only looks needs no right to write; the search is a POST to keep addresses clean.
    reads = {key for key, scope in SCOPED.items() if scope == Scope.READ}
    others = {key for key, scope in SCOPED.items() if scope not in (Scope.READ, ANY)}
    assert {method for name, method in reads if name != "api:patient-search"} == {"GET"}
    assert "GET" not in {method for _name, method in others}


def test_no_view_that_takes_no_token_is_overlooked():
    for name in OPEN:
        assert resolver_names()[name].callback.cls.authentication_classes == []


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("route", [r for r in API if (r.name, r.method) in SCOPED], ids=str)
def test_a_token_does_what_its_scope_says_and_nothing_else(route, scope, world, monkeypatch):  # noqa: F811
    """Every row of the table by a token of each single scope."""
    monkeypatch.setattr(
        "tests.test_access.token_for", lambda owner: token_for(owner, scopes=[scope])
    )
    needed = SCOPED[route.name, route.method]
    before = AccessEvent.objects.count()
    response = ask(route, world, "owner")
    if needed in (scope, ANY):
        assert outcome(response) in (route.answers["owner"], 202)
        return
    body = assert_problem(response, 403, "token_scope")
    assert needed in body["detail"]
    event = AccessEvent.objects.get(pk__gt=0, action="refused")
    assert AccessEvent.objects.count() == before + 1, "nothing else was done"
    token = ApiToken.objects.order_by("created_at").last()
    assert (event.actor, event.reason) == (world.accounts["owner"], f"token_scope:{token.pk}")


def test_a_route_that_declares_nothing_is_closed(program, doctor, monkeypatch):
    monkeypatch.setattr(resolver_names()["api:me"].callback.cls, "scopes", {})
    assert_problem(program(doctor).get(ME), 403, "token_scope")


def test_head_needs_what_get_needs(program, doctor):
    assert program(doctor, scopes=["read"]).head(PATIENTS).status_code == 200
    assert program(doctor, scopes=["upload"]).head(PATIENTS).status_code == 403


def test_the_sentence_is_in_the_readers_language(program, doctor):
    answer = program(doctor, scopes=["upload"], language="fr").get(PATIENTS).json()
    with translation.override("fr"):
        assert answer["detail"] == str(TokenScopeError(scope="read"))


def test_scopes_add_nothing_to_what_the_account_may(program, world):  # noqa: F811
    theirs = program(world.accounts["other"])
    assert theirs.get(f"{PATIENTS}{world.patient.pk}/").status_code == 404


class TestAddresses:
    HOME = ["10.1.0.0/16", "2001:db8::/32"]

    @pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3"])
    def test_works_from_where_it_may(self, program, doctor, address):
        client = program(doctor, networks=self.HOME)
        assert client.get(ME, REMOTE_ADDR=address).status_code == 200
        assert ApiToken.objects.get().last_used_from

    @pytest.mark.parametrize("address", ["10.2.0.1", "127.0.0.1", "2001:db9::1", ""])
    def test_and_from_nowhere_else(self, program, doctor, address):
        client = program(doctor, networks=self.HOME)
        assert_problem(client.get(ME, REMOTE_ADDR=address), 403, "token_address")
        token = ApiToken.objects.get()
        assert token.last_used_at is None
        event = AccessEvent.objects.get()
        assert (event.actor, event.action, event.reason) == (
            doctor,
            "refused",
            f"token_address:{token.pk}",
        )

    def test_a_header_names_no_other_address(self, program, doctor, settings):
        """Only a trusted proxy's word counts, as everywhere."""
        client = program(doctor, networks=self.HOME)
        for header in ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED"):
            assert client.get(ME, **{header: "10.1.2.3"}).status_code == 403

    def test_behind_a_trusted_proxy(self, program, doctor, settings):
        settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
        client = program(doctor, networks=self.HOME)
        assert client.get(ME, HTTP_X_FORWARDED_FOR="10.1.2.3").status_code == 200
        assert client.get(ME, HTTP_X_FORWARDED_FOR="10.2.2.3").status_code == 403
        assert client.get(ME, HTTP_X_FORWARDED_FOR="10.1.2.3, 8.8.8.8").status_code == 403


class TestTime:
    def test_ends_at_the_very_moment(self, program, doctor, time_machine):
        moment = timezone.now().replace(microsecond=0) + dt.timedelta(hours=1)
        client = program(doctor, expires_at=moment)
        time_machine.move_to(moment - dt.timedelta(microseconds=1), tick=False)
        assert client.get(ME).status_code == 200
        time_machine.move_to(moment, tick=False)
        assert_problem(client.get(ME), 401, "invalid_token")
        event = AccessEvent.objects.get(action="refused")
        assert event.actor == doctor
        assert event.reason == f"token_ended:{ApiToken.objects.get().pk}"

    def test_use_is_written_once_a_minute(self, program, doctor, time_machine):
        start = timezone.now()
        client = program(doctor, expires_at=start + dt.timedelta(days=3))
        for seconds, address, statements in (
            (0, "10.0.0.1", 2),
            (1, "10.0.0.2", 1),
            (59, "10.0.0.2", 1),
            (61, "10.0.0.3", 2),
        ):
            time_machine.move_to(start + dt.timedelta(seconds=seconds), tick=False)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(ME, REMOTE_ADDR=address).status_code == 200
            assert len(queries) == statements, seconds
        token = ApiToken.objects.get()
        assert token.last_used_at == start + dt.timedelta(seconds=61)
        assert token.last_used_from == "10.0.0.3"

    def test_a_clock_that_was_ahead_is_put_right(self, program, doctor):
        client = program(doctor, last_used_at=timezone.now() + dt.timedelta(days=300))
        client.get(ME)
        assert ApiToken.objects.get().last_used_at <= timezone.now()

    def test_what_cannot_be_written_stops_nobody(self, program, doctor, monkeypatch):
        def locked(*_args, **_kwargs):
            raise DatabaseError("database is locked")

        client = program(doctor)
        monkeypatch.setattr(QuerySet, "update", locked)
        assert client.get(ME).status_code == 200


class TestGuesses:
    def test_are_throttled_and_lock_nobody_out(self, api_for, program, doctor, settings):
        settings.API_THROTTLES = settings.API_THROTTLES | {"guess": "3/hour"}
        known = program(doctor)
        stranger = api_for(None)
        stranger.credentials(HTTP_AUTHORIZATION="Token pna_" + "0" * 72)
        assert [stranger.get(ME).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        assert 1 <= int(stranger.get(ME)["Retry-After"]) <= 3600
        assert known.get(ME).status_code == 200
        assert stranger.get(ME, REMOTE_ADDR="10.0.0.9").status_code == 401

    def test_one_that_has_ended_is_no_guess(self, program, doctor, settings):
        settings.API_THROTTLES = settings.API_THROTTLES | {"guess": "1/hour"}
        client = program(doctor, expires_at=timezone.now())
        assert [client.get(ME).status_code for _ in range(3)] == [401] * 3


class TestOwner:
    def test_whose_access_ends_is_out_with_the_next_request(self, program, doctor):
        client = program(doctor)
        access_end(doctor)
        assert_problem(client.get(ME), 401, "invalid_token")

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"verification": "suspended"}, 403, "account_suspended"),
            ({"verified_until": dt.date(2020, 1, 1)}, 403, "account_expired"),
            ({"is_active": False}, 401, "invalid_token"),
        ],
    )
    def test_who_may_not_practise_any_more(self, program, doctor, change, status, code):
        """Even where the token was left, as by a change made beside the services."""
        client = program(doctor)
        type(doctor).objects.filter(pk=doctor.pk).update(**change)
        assert_problem(client.get(PATIENTS), status, code)


class TestLeaks:
    def test_no_log_has_a_token(self, program, api_for, doctor, caplog, settings):
        caplog.set_level(logging.DEBUG)
        right = program(doctor, scopes=["upload"])
        wrong = api_for(None)
        wrong.credentials(HTTP_AUTHORIZATION=f"Token {right.text[:-1]}x")
        for client in (right, wrong):
            client.get(ME)
            client.get(PATIENTS)
            client.get(f"{PATIENTS}?token={right.text}")
            client.get(f"/api/v1/{right.text}/")
        logged = "\n".join(f"{r.getMessage()} {r.__dict__}" for r in caplog.records)
        told = str(list(AccessEvent.objects.values()))
        assert "request_finished" in logged
        for text in (logged, told):
            assert right.text[4:36] not in text

    @pytest.mark.parametrize("name", ["token", "access_token", "Authorization"])
    def test_in_an_address_it_opens_nothing(self, api_for, doctor, name):
        text = token_for(doctor)
        for given in (text, f"Token {text}"):
            assert api_for(None).get(ME, {name: given}).status_code in (400, 401)

    @pytest.mark.parametrize("header", ["Bearer {}", "Basic {}", "Token{}", "Token {} {}"])
    def test_nor_in_another_form(self, api_for, doctor, header):
        value = header.replace("{}", token_for(doctor))
        assert api_for(None).get(ME, HTTP_AUTHORIZATION=value).status_code == 401


def test_a_password_may_ask_for_less(api_for, doctor, django_capture_on_commit_callbacks):
    body = {"email": doctor.email, "password": PASSWORD, "name": "Modality", "days": 7}
    body |= {"scopes": ["upload"], "networks": ["127.0.0.1"]}
    with django_capture_on_commit_callbacks(execute=True):
        answer = api_for(None).post(TOKEN, body)
    assert answer.status_code == 200
    assert answer.json()["scopes"] == ["upload"]
    token = ApiToken.objects.get()
    assert (token.name, token.networks) == ("Modality", ["127.0.0.1/32"])
    assert len(mail.outbox) == 1
    wrong = api_for(None).post(TOKEN, body | {"networks": ["10.0.0.1/8"], "name": "\u202e"})
    assert_problem(wrong, 400, "invalid", networks="invalid", name="invalid")


def test_the_description_says_which_scope_each_operation_needs():
    for path, item in schema()["paths"].items():
        for method, operation in item.items():
            scope = operation.get("x-scope")
            takes_token = bool(operation.get("security", [{}])[0])
            if scope is None:
                assert not takes_token or path in ("/api/v1/me/", "/api/v1/auth/logout/"), path
                continue
            assert f"Needs the scope `{scope}`." in operation["description"]
            refused = operation["responses"]["403"]["content"]["application/problem+json"]
            codes = {example["value"]["code"] for example in refused["examples"].values()}
            assert {"token_scope", "token_address"} <= codes, (path, method)
    scheme = schema()["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    for scope in Scope:
        assert f"- {scope}:" in scheme["description"]


class TestEarlierTokens:
    """Those that django-rest-knox made: SHA-512 of 64 hexadecimal digits."""

    def test_go_on_working_until_they_end(self, api_for, doctor):
        text = "0123456789abcdef" * 4
        now = timezone.now()
        migration = import_module("accounts.migrations.0008_api_tokens")
        program = DoctorFactory(is_service=True)

        def earlier(number, user, expiry):
            return SimpleNamespace(
                digest=hashlib.sha512(f"{number}".encode()).hexdigest() if number else
                hashlib.sha512(text.encode()).hexdigest(),
                token_key=text[:15], user_id=user.pk, created=now, expiry=expiry,
            )  # fmt: skip

        rows = [
            earlier(0, doctor, now + dt.timedelta(days=9)),
            earlier(1, program, None),
            earlier(2, doctor, now - dt.timedelta(days=1)),
        ]
        table = SimpleNamespace(
            _meta=SimpleNamespace(db_table="django_session"),  # one that is there
            objects=SimpleNamespace(using=lambda _: SimpleNamespace(order_by=lambda _: rows)),
        )
        found = SimpleNamespace(
            get_model=lambda app, name: (
                table if name == "EarlierToken" else apps.get_model(app, name)
            )
        )
        migration.carry_over(found, SimpleNamespace(connection=connection))
        assert ApiToken.objects.count() == 2
        assert ApiToken.objects.get(owner=program).scopes == ["read", "upload"]
        left = ApiToken.objects.get(owner=program).expires_at - now
        assert left <= dt.timedelta(days=365, minutes=1)
        client = api_for(None)
        client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
        told = client.get(ME).json()["token"]
        assert told["scopes"] == ["read", "upload", "review"]
        assert told["name"] == text[:8]

    def test_a_new_one_is_not_taken_for_one(self, doctor, api_for):
        text = token_for(doctor)
        client = api_for(None)
        client.credentials(HTTP_AUTHORIZATION=f"Token {text[4:68]}")
        assert client.get(ME).status_code == 401
