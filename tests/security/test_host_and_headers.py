"""What a client writes into its headers comes out nowhere: no host, no line, no address."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.urls import reverse

from tests.operations.test_settings import PRODUCTION
from tests.test_access import world  # noqa: F401

from .walk import address, ask, by_session, by_token

pytestmark = pytest.mark.django_db

EVIL = {
    "x-forwarded-host": "evil.example",
    "x-forwarded-server": "evil.example",
    "x-forwarded-proto": "https",
    "x-host": "evil.example",
    "x-original-url": "/admin/",
    "x-rewrite-url": "/admin/",
    "forwarded": "host=evil.example",
    "x-real-ip": "127.0.0.1",
}


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver:x", "a\tb"]
)
def test_a_reset_is_not_mailed_for_another_host(client, doctor, host):
    answer = client.post(
        reverse("account_reset_password"), {"email": doctor.email}, headers={"host": host}
    )
    assert answer.status_code == 400
    assert mail.outbox == []


def test_the_link_of_a_reset_leads_to_this_host(client, doctor):
    client.post(reverse("account_reset_password"), {"email": doctor.email}, headers=EVIL)
    (sent,) = mail.outbox
    text = sent.body + str(sent.message())
    assert "http://testserver/accounts/password/reset/key/" in text
    assert "evil" not in text


def test_no_page_and_no_address_of_the_api_repeats_a_forwarded_host(world):  # noqa: F811
    for client, name in (
        (by_session(world.accounts["owner"]), "patients:list"),
        (by_token(world.accounts["owner"]), "api:root"),
        (by_token(world.accounts["owner"]), "api:patient-list"),
    ):
        answer = client.get(address(name, world), headers=EVIL)
        assert answer.status_code == 200
        assert b"evil.example" not in answer.content
        assert "evil.example" not in str(dict(answer.headers))


def test_no_header_names_another_address(client):
    """Some servers let these choose what is served, past whoever guards the first address."""
    assert client.get("/nothing/", headers=EVIL).status_code == 404


LINES = "x\r\nSet-Cookie: evil=1\r\n\r\n<script>"


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("post", "set_language", {"language": "en", "next": f"/{LINES}"}),
        ("post", "set_language", {"language": LINES}),
        ("get", "account_login", {"next": LINES}),
        ("get", "patients:list", {"after": LINES}),
        ("get", "inference:worklist", {"class": LINES, "after": LINES}),
        ("post", "inference:worklist_export", {"what": LINES, "place": LINES}),
        ("get", "inference:statistics_csv", {"period": LINES}),
    ],
)
def test_no_line_comes_into_the_headers(world, method, name, body):  # noqa: F811
    for role in ("anonymous", "owner"):
        client = by_session(world.accounts[role])
        answer = getattr(client, method)(address(name, world), body)
        assert answer.status_code < 500
        assert "evil" not in answer.cookies
        for header, value in answer.items():
            assert "\r" not in value, header
            assert "\n" not in value, header


def test_the_id_of_a_request_is_ours(client):
    """It comes back in a header and stands in every line of the log."""
    for sent in ("x" * 5000, "<script>", "a b"):
        found = client.get("/", headers={"x-request-id": sent}).headers["X-Request-ID"]
        assert found != sent
        assert len(found) < 64


def test_a_file_is_sent_back_under_our_name(world):  # noqa: F811
    owner = by_session(world.accounts["owner"])
    radiograph = world.analysis.radiograph
    answer = ask(owner, "GET", address("radiology:dicom", world))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{radiograph.pk}.dcm"'


def test_production_takes_no_host_for_any(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=django_settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **PRODUCTION, "VAR_DIR": str(tmp_path),
             "ALLOWED_HOSTS": "pneumonia.example.org,*"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "ALLOWED_HOSTS" in done.stderr
