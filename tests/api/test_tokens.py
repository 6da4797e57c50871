"""Getting a token, using it, giving it up."""

import datetime as dt
import hashlib

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import ApiToken
from operations.models import AccessEvent
from tests.accounts.factories import PASSWORD, AdminFactory, DoctorFactory

from .problems import assert_problem

TOKEN, LOGOUT, ME = "/api/v1/auth/token/", "/api/v1/auth/logout/", "/api/v1/me/"

pytestmark = pytest.mark.django_db


def ask(client, email, password=PASSWORD):
    return client.post(TOKEN, {"email": email, "password": password})


def test_a_doctor_gets_a_token_that_works_and_is_stored_hashed(api_for, doctor, settings):
    client = api_for(None)
    response = ask(client, doctor.email.upper())
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"token", "expiry", "scopes"}
    # What asks for nothing in particular gets what programs always got.
    assert body["scopes"] == ["read", "upload", "review"]
    left = dt.datetime.fromisoformat(body["expiry"]) - timezone.now()
    assert dt.timedelta(days=settings.API_TOKEN_DAYS - 1) < left
    row = ApiToken.objects.get(owner=doctor)
    assert row.digest == hashlib.sha256(body["token"].encode()).hexdigest()

    client.credentials(HTTP_AUTHORIZATION=f"Token {body['token']}")
    assert client.get(ME).json() == {
        "email": doctor.email,
        "first_name": doctor.first_name,
        "last_name": doctor.last_name,
        "registration_number": doctor.registration_number,
        "verification": "verified",
        "may_practise": True,
        "language": "fr",
        "token": {
            "name": "API",
            "scopes": ["read", "upload", "review"],
            "expiry": body["expiry"],
        },
    }
    assert AccessEvent.objects.filter(action="create", object_type="accounts.apitoken").exists()


def test_an_unknown_address_and_a_wrong_password_are_answered_alike(api_for, doctor):
    client = api_for(None)
    wrong = ask(client, doctor.email, "not this one")
    unknown = ask(client, "nobody@example.org", "not this one")
    assert_problem(wrong, 401, "invalid_credentials")
    assert wrong.content == unknown.content
    assert wrong["WWW-Authenticate"] == unknown["WWW-Authenticate"] == "Token"
    assert not ApiToken.objects.exists()
    assert not mail.outbox


def test_an_unknown_address_costs_one_password_hash_too(api_for, doctor, settings, monkeypatch):
    """Time would tell what the answer does not: both ways hash the password equally often."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    counts = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        counts[-1] += 1
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    for email in (doctor.email, "nobody@example.org"):
        counts.append(0)
        ask(api_for(None), email, "not this one")
    assert counts[0] == counts[1] >= 1


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (lambda: DoctorFactory(pending=True), "account_pending"),
        (lambda: DoctorFactory(suspended=True), "account_suspended"),
        (lambda: DoctorFactory(email_confirmed=False), "email_not_confirmed"),
        (lambda: AdminFactory(), "not_a_doctor"),
    ],
)
def test_who_may_not_practise_gets_no_token(api_for, account, code):
    account = account()
    assert_problem(ask(api_for(None), account.email), 403, code)
    assert not ApiToken.objects.exists()


def test_a_closed_account_gets_no_token(api_for):
    account = DoctorFactory(is_active=False)
    response = ask(api_for(None), account.email)
    assert response.status_code in (401, 403)
    assert response.json()["code"] in ("invalid_credentials", "account_inactive")


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"email": "required", "password": "required"}),
        ({"email": "a@b.org", "password": 7}, {"password": "invalid"}),
        ({"email": None, "password": "x"}, {"email": "null"}),
        ({"email": "a@b.org", "password": "x", "admin": True}, {"admin": "unknown"}),
        ({"email": "a@b.org", "password": "x", "scopes": []}, {"scopes": "min_length"}),
        ({"email": "a@b.org", "password": "x", "scopes": ["all"]}, {"scopes.0": "invalid_choice"}),
        ({"email": "a@b.org", "password": "x", "days": "30"}, {"days": "invalid"}),
        ({"email": "a@b.org", "password": "x", "days": 366}, {"days": "max_value"}),
        ({"email": "a@b.org", "password": "x", "days": 0}, {"days": "min_value"}),
        ({"email": "a@b.org", "password": "x", "networks": ["x"] * 21}, {"networks": "max_length"}),
    ],
)
def test_mistyped_credentials_name_the_field(api_for, body, errors):
    assert_problem(api_for(None).post(TOKEN, body), 400, "invalid", **errors)


def test_too_many_requests_for_tokens_must_wait(api_for, doctor, settings):
    settings.API_THROTTLES = settings.API_THROTTLES | {"token": "3/hour"}
    client = api_for(None)
    for _ in range(3):
        assert ask(client, doctor.email).status_code == 200
    response = ask(client, doctor.email)
    assert_problem(response, 429, "too_many_requests")
    assert 1 <= int(response["Retry-After"]) <= 3600


def test_failed_attempts_on_one_account_are_limited(api_for, doctor):
    client = api_for(None)
    codes = [ask(client, doctor.email, "wrong").json()["code"] for _ in range(7)]
    assert codes[0] == "invalid_credentials"
    assert codes[-1] == "too_many_attempts"
    assert ask(client, doctor.email).status_code == 429


def test_logout_ends_this_token_alone(api_for, doctor):
    first, second = api_for(doctor), api_for(doctor)
    assert first.post(LOGOUT).status_code == 204
    assert_problem(first.get(ME), 401, "invalid_token")
    assert second.get(ME).status_code == 200


def test_an_expired_token_is_refused(api_for, doctor):
    client = api_for(doctor)
    ApiToken.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert_problem(client.get(ME), 401, "invalid_token")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Token", "invalid_token"),
        ("Token a b", "invalid_token"),
        ("Token " + "0" * 64, "invalid_token"),
        ("Token pna_" + "0" * 72, "invalid_token"),
        ("Token \xff\xfe", "invalid_token"),
        ("Basic YTpi", "not_authenticated"),
        ("", "not_authenticated"),
    ],
)
def test_what_is_no_token_is_refused(api_for, header, code):
    response = api_for(None).get(ME, HTTP_AUTHORIZATION=header)
    assert_problem(response, 401, code)
    assert response["WWW-Authenticate"] == "Token"


def test_suspension_stops_a_token_at_once(api_for, doctor):
    client = api_for(doctor)
    doctor.verification = "suspended"
    doctor.save()
    assert_problem(client.get("/api/v1/patients/"), 403, "account_suspended")
    assert client.get(ME).json()["may_practise"] is False


def test_a_session_is_no_token(doctor_client):
    """The API is not reachable from a page by cookies, so no page can forge its requests."""
    assert_problem(doctor_client.get(ME), 401, "not_authenticated")
