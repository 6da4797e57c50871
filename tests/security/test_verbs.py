"""Every route x every role x every verb: only the table's answers, and nothing changes.

``tests.test_access`` compares the listed requests with their table. Here every address is
asked with every verb by every role, by session and by token, whether the table names the
request or not; the names come from the resolver, so a new address is in the walk already.
"""

from __future__ import annotations

import hashlib

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.access_routes import ALLAUTH, ROLES, TREATS
from tests.test_access import outcome

from .walk import UNSAFE, VERBS, address, ask, by_session, by_token, door, names, rows

pytestmark = pytest.mark.django_db

REFUSED = {401, 403, 404, 405, "login", "waiting", "admin", "onward"}
NO_WAY_IN = {401, 403, "login", "waiting", "admin"}
FAULTY = {200, 400, 409, 413, 415, 422, "onward"}
# What reads, or counts and remembers, may write: who looked, sessions, a token's last use, and
# nothing else.
KEPT_ASIDE = {"operations_accessevent", "django_session", "accounts_apitoken"}
# Their POST is for whoever is signed in, without a body, and about their own account alone.
OWN = {"account_logout", "api:logout", "set_language", "admin:logout"}
ADMIN_FOR_ALL = {"admin:login", "admin:logout"}
# Whose POST needs no field: the address and the form's token say it all.
ADMIN_BY_ADDRESS = {"admin:patients_patient_erase"}


def expected(name: str, verb: str, role: str) -> set:
    """What the table allows: its row's answer, or else a refusal."""
    if name in ALLAUTH and verb in ("GET", "HEAD"):
        return {ALLAUTH[name][role]}
    if name in ALLAUTH:
        # A form again, with its errors: ``fingerprint`` is the proof.
        return REFUSED | {200, 429}
    allowed = {row.answers[role] for row in rows(name) if row.method == verb}
    if verb == "HEAD":
        allowed |= {row.answers[role] for row in rows(name) if row.method == "GET"}
        allowed |= REFUSED if not allowed else {405}
    if not allowed:
        return REFUSED | ({200} if verb == "OPTIONS" else set())
    if verb in UNSAFE and (name == "api:token" or not allowed & NO_WAY_IN):
        allowed |= FAULTY  # The table's rows bring a body; here there is none.
    return allowed


def fingerprint() -> dict[str, str]:
    """Every row of every table, but for those that remember who asked."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table in KEPT_ASIDE:
            continue
        # Signing in leaves its moment on the account.
        left_out = {"last_login"}
        fields = [f.attname for f in model._meta.concrete_fields if f.name not in left_out]
        values = sorted(map(repr, model._base_manager.values_list(*fields)))
        found[model._meta.db_table] = hashlib.sha256("".join(values).encode()).hexdigest()
    return found


def wrong_doors(name: str, world) -> list:
    """The owner's and an administrator's token at pages; their session at the API.

    What a page of another site could make a browser ask for is nothing of the API, and what
    a stolen token opens is no page: both are answered as strangers are.
    """
    enter = by_session if name.startswith("api:") else by_token
    return [enter(world.accounts[role]) for role in ("owner", "superuser")]


@pytest.mark.parametrize("name", [n for n in names() if not n.startswith("admin:")])
def test_every_role_with_every_verb(name, world):
    url = address(name, world)
    found, wanted = {}, {}
    before = fingerprint()
    roles = [role for role in ROLES if role not in TREATS]
    for role in roles:
        client = door(name, world.accounts[role])
        cache.clear()  # so that no limit of attempts answers in place of the view
        for verb in VERBS:
            answer = ask(client, verb, url)
            found[role, verb] = outcome(answer)
            wanted[role, verb] = expected(name, verb, role)
            if verb == "HEAD":
                assert answer.body == b""
    cache.clear()
    for client in wrong_doors(name, world):
        for verb in VERBS:
            assert outcome(ask(client, verb, url)) == found["anonymous", verb], verb
    if name not in OWN:
        assert fingerprint() == before
    wrong = {key: (found[key], wanted[key]) for key in found if found[key] not in wanted[key]}
    assert wrong == {}
    # No combination is left out: a role or a verb that is added is asked as well.
    assert len(found) == len(roles) * len(VERBS)


@pytest.mark.parametrize("name", [n for n in names() if n.startswith("admin:")])
def test_nobody_but_administrators_does_anything_in_the_admin(name, world):
    url = address(name, world)
    found = {}
    before = fingerprint()
    for role in ("anonymous", "pending", "suspended", "other", "owner"):
        client = by_session(world.accounts[role])
        for verb in VERBS:
            found[role, verb] = outcome(ask(client, verb, url))
    if name not in ADMIN_FOR_ALL:
        assert set(found.values()) <= {403, 404, 405, "login", "onward"}, found
    cache.clear()
    for client in wrong_doors(name, world):
        for verb in VERBS:
            assert outcome(ask(client, verb, url)) == found["anonymous", verb], verb
    staff = by_session(world.accounts["staff"])
    superuser = by_session(world.accounts["superuser"])
    for verb in VERBS:
        assert outcome(ask(staff, verb, url)) in REFUSED | {200}
    assert fingerprint() == before
    for verb in VERBS:
        assert ask(superuser, verb, url).status_code < 500
    assert name in ADMIN_BY_ADDRESS or fingerprint() == before


@pytest.mark.parametrize("name", names())
def test_reading_changes_nothing(name, world):
    """GET, HEAD and OPTIONS write who looked, and nothing else: a link can do no harm."""
    url = address(name, world)
    for role in ("owner", "superuser"):
        client = door(name, world.accounts[role])
        for verb in ("GET", "HEAD", "OPTIONS"):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                ask(client, verb, url)
            written = [
                q["sql"]
                for q in queries.captured_queries
                if q["sql"].startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))
                and not any(table in q["sql"].split("(")[0] for table in KEPT_ASIDE)
            ]
            assert written == [], (role, verb)


def test_a_logout_by_a_link_logs_nobody_out(doctor):
    browser = by_session(doctor)
    browser.get(reverse("account_logout"))
    assert browser.get(reverse("accounts:account")).status_code == 200
