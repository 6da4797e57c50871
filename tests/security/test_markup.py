"""What somebody typed is text on every page: it never becomes markup, nor a script's data."""

from __future__ import annotations

import pytest

from tests.test_access import world  # noqa: F401

from .walk import address, ask, by_session, names

pytestmark = pytest.mark.django_db

MARK = "<img src=x onerror=alert(1)>'\"&{{1337*7331}}{%x%}"
SHORT = "</script><svg/onload=x>"


@pytest.fixture
def typed(world):  # noqa: F811
    """Everything that a person types or a model is called holds markup."""
    world.patient.identifier = MARK[:60]
    world.patient.save()
    for role in ("owner", "other"):
        account = world.accounts[role]
        account.first_name, account.last_name = MARK, SHORT
        account.save()
    return world


@pytest.mark.parametrize("name", [n for n in names() if not n.startswith("api:")])
def test_no_page_takes_it_for_markup(name, typed):
    url = address(name, typed)
    joined = f"{url}{'&' if '?' in url else '?'}q={MARK}&next={MARK}&period={MARK}&after={MARK}"
    for role in ("anonymous", "owner", "superuser"):
        client = by_session(typed.accounts[role])
        for asked in (url, joined):
            answer = ask(client, "GET", asked)
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                for markup in (b"<img src=x", b"<svg/onload", b"9801547"):
                    assert markup not in answer.body, (role, asked)


def test_the_walk_meets_what_was_typed(typed):
    """Else it would prove nothing: the identifier stands on the patient's page, escaped."""
    page = ask(by_session(typed.accounts["owner"]), "GET", address("patients:detail", typed))
    assert b"&lt;img src=x onerror=" in page.body
