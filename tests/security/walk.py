"""Asking every address with every verb, as every role: what the tests of this folder share."""

from __future__ import annotations

from types import SimpleNamespace

from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from tests.access_routes import ALLAUTH, ALLAUTH_ARGUMENTS, API, PAGES, Route
from tests.accounts.factories import token_for
from tests.test_access import admin_url, resolver_names

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
ROWS = PAGES + API


def names() -> list[str]:
    """Every name of the resolver: a new address is walked without being listed anywhere."""
    return sorted(resolver_names())


def rows(name: str) -> list[Route]:
    """What the table of ``tests.access_routes`` says of ``name``."""
    return [row for row in ROWS if row.name == name]


def address(name: str, world) -> str:
    """An address of ``name``, about the owner's objects."""
    if name.startswith("admin:"):
        return admin_url(name, world)
    if name in ALLAUTH:
        return reverse(name, args=ALLAUTH_ARGUMENTS.get(name, []))
    row = rows(name)[0]
    query = row.query.format(
        patient=world.patient.pk,
        radiograph=world.analysis.radiograph_id,
        failed=world.failed.radiograph_id,
    )
    return reverse(name, args=row.args(world)) + query


def by_session(account, **options) -> Client:
    """A browser that ``account`` is signed in to; nobody where it is ``None``."""
    client = Client(raise_request_exception=False, **options)
    if account:
        client.force_login(account)
    return client


def by_token(account, **options) -> Client:
    """A program with a token of ``account``, without a cookie; without a token for ``None``."""
    client = APIClient(raise_request_exception=False, **options)
    if account:
        client.credentials(HTTP_AUTHORIZATION=f"Token {token_for(account)}")
    return client


def door(name: str, account) -> Client:
    """How ``account`` comes in: by token below /api/, by session elsewhere."""
    return by_token(account) if name.startswith("api:") else by_session(account)


def ask(client: Client, verb: str, url: str, **options):
    """The answer, read to its end: ``answer.body`` are its bytes."""
    answer = client.generic(verb, url, **options)
    answer.body = answer.getvalue()
    return answer


def doctors(world) -> SimpleNamespace:
    return SimpleNamespace(**world.accounts)
