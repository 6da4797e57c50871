"""No answer leads to another site, whatever an address or a form says."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import pytest
from django.urls import reverse

from tests.accounts.factories import PASSWORD
from tests.test_access import world  # noqa: F401

from .walk import address, ask, by_session, door, names

pytestmark = pytest.mark.django_db

AWAY = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example/",
    "\\\\evil.example",
    "https:evil.example",
    "http:///evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "//testserver@evil.example/",
    "https://testserver.evil.example/",
    "/%09/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
]
NAMES = ("next", "url", "redirect", "redirect_to", "return", "back", "continue", "REDIRECT_URL")


def leads_away(answer) -> bool:
    for header in ("Location", "HX-Redirect", "HX-Location", "Refresh", "Content-Location"):
        to = answer.headers.get(header, "")
        # As a browser reads it: it takes a backslash for a slash, and leaves tabs out.
        read = to.replace("\\", "/").replace("\t", "").replace("\n", "").strip()
        parts = urlsplit(read)
        if parts.scheme not in ("", "http", "https") or parts.netloc not in ("", "testserver"):
            return True
        if read.startswith("//"):
            return True
    return False


@pytest.mark.parametrize("name", names())
def test_no_address_follows_what_it_is_told(name, world):  # noqa: F811
    url = address(name, world)
    to = AWAY[1]
    query = urlencode(dict.fromkeys(NAMES, to))
    joined = f"{url}{'&' if '?' in url else '?'}{query}"
    told = {"HTTP_REFERER": to, "HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": to}
    form = {"data": query, "content_type": "application/x-www-form-urlencoded"}
    for role in ("anonymous", "owner", "superuser"):
        client = door(name, world.accounts[role])
        for answer in (
            ask(client, "GET", joined),
            ask(client, "GET", joined, **told),
            ask(client, "POST", url, **form),
        ):
            assert not leads_away(answer), (role, dict(answer.headers))


@pytest.mark.parametrize("to", AWAY)
def test_a_login_leads_nowhere_else(doctor, client, to):
    body = {"login": doctor.email, "password": PASSWORD, "next": to}
    answer = client.post(reverse("account_login"), body)
    assert answer.status_code == 302
    assert not leads_away(answer)


@pytest.mark.parametrize("to", AWAY)
def test_whoever_is_signed_in_is_led_nowhere_else(doctor, client_for, to):
    browser = client_for(doctor)
    for name, body in (
        ("set_language", {"language": "fr", "next": to}),
        ("account_reauthenticate", {"password": PASSWORD, "next": to}),
        ("account_logout", {"next": to}),
    ):
        answer = browser.post(reverse(name), body, headers={"referer": to.strip()})
        assert not leads_away(answer), name


@pytest.mark.parametrize("to", AWAY)
def test_reading_again_leads_nowhere_else(world, to):  # noqa: F811
    owner = by_session(world.accounts["owner"])
    answer = owner.post(address("inference:read_again", world), {"next": to})
    assert answer.status_code == 302
    assert not leads_away(answer)


@pytest.mark.parametrize("to", AWAY)
def test_the_place_in_the_worklist_leads_nowhere_else(world, to):  # noqa: F811
    """A cookie that somebody else may have set."""
    owner = by_session(world.accounts["owner"])
    owner.cookies["worklist"] = to
    answer = owner.post(reverse("inference:worklist_reread"), {})
    assert answer.status_code == 302
    assert not leads_away(answer)


@pytest.mark.parametrize("path", ["//evil.example/", "//evil.example/patients", "/%5Cevil.example"])
def test_a_missing_slash_is_added_to_addresses_of_ours_alone(path):
    assert not leads_away(ask(by_session(None), "GET", path))


def test_the_check_itself_knows_what_leads_away():
    class Answer:
        headers = {"Location": "/\\evil.example"}

    assert leads_away(Answer)
    Answer.headers = {"Location": "/patients/"}
    assert not leads_away(Answer)
