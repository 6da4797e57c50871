"""Every answer carries every protection: pages, API, files, static files, faults, the admin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from accounts.access import practising_doctor_required
from tests.operations.test_settings import PRODUCTION

from .walk import address, ask, by_session, by_token, door, names

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
EXACT = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OFF = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def policy(answer) -> dict[str, str]:
    parts = answer.headers["Content-Security-Policy"].split(";")
    return dict(part.strip().split(" ", 1) for part in parts)


def faults(answer) -> list[str]:
    """What is missing or wrong among the headers of one answer."""
    found = []
    if policy(answer) != POLICY:
        found.append(f"policy {policy(answer)}")
    for name, value in EXACT.items():
        if answer.headers.get(name) != value:
            found.append(f"{name}: {answer.headers.get(name)}")
    permissions = answer.headers.get("Permissions-Policy", "")
    found += [f"{device} is not off" for device in OFF if f"{device}=()" not in permissions]
    kept = answer.headers.get("Cache-Control", "")
    if "private" not in kept and "no-store" not in kept:
        found.append(f"Cache-Control: {kept}")
    if answer.body and "Content-Type" not in answer.headers:
        found.append("no Content-Type")
    for leak in ("Server", "X-Powered-By", "Access-Control-Allow-Origin"):
        if leak in answer.headers:
            found.append(leak)
    return found + cookie_faults(answer) + Inline.faults(answer)


def cookie_faults(answer) -> list[str]:
    return [
        f"cookie {name} without {flag}"
        for name, cookie in answer.cookies.items()
        for flag, there in (
            ("HttpOnly", cookie["httponly"]),
            ("SameSite=Lax", cookie["samesite"] == "Lax"),
            ("Secure", cookie["secure"]),
            ("Path=/", cookie["path"] == "/"),
            ("no Domain", not cookie["domain"]),
        )
        # A cookie that is taken away holds nothing.
        if not there and cookie.value
    ]


class Inline(HTMLParser):
    """Finds what the policy would block: scripts, styles and handlers inside a page."""

    DATA = ("application/json", "application/ld+json")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        values = {name: (value or "").strip().lower() for name, value in attributes}
        is_data = values.get("type") in self.DATA
        if tag == "style" or (tag == "script" and "src" not in values and not is_data):
            self.found.append(f"inline <{tag}>")
        for name, value in values.items():
            # A link may lead away; nothing may be loaded from, or sent, elsewhere.
            away = tag != "a" and value.startswith(("http:", "https:", "//", "data:text"))
            if name == "style" or name.startswith("on") or value.startswith("javascript:"):
                self.found.append(f"{tag} {name}=")
            elif name in ("src", "href", "action", "formaction") and away:
                self.found.append(f"{tag} {name}={value}")

    @classmethod
    def faults(cls, answer) -> list[str]:
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            return []
        parser = cls()
        parser.feed(answer.body.decode())
        return parser.found


@pytest.fixture(autouse=True)
def _as_in_production(settings):
    """What production's own settings set; ``test_production...`` looks that they do."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.LANGUAGE_COOKIE_SECURE = True
    settings.WHITENOISE_USE_FINDERS = True


@pytest.mark.parametrize("name", names())
def test_every_route_answers_with_every_header(name, world):
    url = address(name, world)
    for role, verbs in (
        ("anonymous", ("GET", "POST", "TRACE")),
        ("suspended", ("GET",)),
        ("owner", ("GET", "POST", "OPTIONS")),
        ("superuser", ("GET", "POST")),
    ):
        client = door(name, world.accounts[role])
        for verb in verbs:
            answer = ask(client, verb, url)
            assert answer.status_code < 500 or name == "operations:ready", (role, verb)
            assert faults(answer) == [], (role, verb, answer.status_code)


def raise_suspicion(request):
    raise SuspiciousOperation("must not be shown")


def fail(request):
    raise RuntimeError("must not be shown")


urlpatterns = [
    path("fail/", fail),
    path("suspect/", raise_suspicion),
    path("api/fail/", fail),
    path("guarded/", practising_doctor_required(lambda request: HttpResponse("ok"))),
    path("", include("pneumoniapp.urls")),
]
for _handler in ("handler400", "handler403", "handler404", "handler500"):
    globals()[_handler] = getattr(__import__("pneumoniapp.urls", fromlist=["x"]), _handler)

ODD = [
    ("/static/css/app.css", {}, 200),
    ("/static/css/nothing.css", {}, 404),
    ("/nothing/", {}, 404),
    ("/patients", {}, 301),
    ("/api/v1/nothing/", {}, 404),
    ("/", {"HTTP_HOST": "evil.example"}, 400),
    ("/", {"HTTP_HOST": "a b"}, 400),
    ("/fail/", {}, 500),
    ("/api/fail/", {}, 500),
    ("/suspect/", {}, 400),
    ("/guarded/", {}, 302),
    ("/guarded/", {"HTTP_HX_REQUEST": "true"}, 200),
]


@pytest.mark.parametrize(("url", "extra", "status"), ODD)
@pytest.mark.urls(__name__)
def test_answers_that_no_view_gives(url, extra, status):
    answer = ask(by_session(None), "GET", url, **extra)
    assert answer.status_code == status
    found = faults(answer)
    if url.startswith("/static/") and status == 200:  # for everybody, and the same for all
        found = [fault for fault in found if not fault.startswith("Cache-Control")]
    assert found == []
    assert b"must not be shown" not in answer.body
    assert b"Traceback" not in answer.body


def test_a_refused_host_is_answered_with_every_header_where_https_is_demanded(settings):
    settings.SECURE_SSL_REDIRECT = True
    for host, status in (("evil.example", 400), ("testserver", 301)):
        answer = ask(by_session(None), "GET", "/patients/", HTTP_HOST=host)
        assert answer.status_code == status
        assert [f for f in faults(answer) if not f.startswith("Cache-Control")] == []


def test_refusals_carry_every_header(world, settings):
    owner = world.accounts["owner"]
    page = address("patients:create", world)
    strict = by_session(owner, enforce_csrf_checks=True)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    token = by_token(owner)
    big = {"data": "x=" + "y" * 99, "content_type": "application/x-www-form-urlencoded"}
    too_big = {"data": json.dumps(["y" * 99]), "content_type": "application/json"}
    found = {
        "csrf": ask(strict, "POST", page),
        "413": ask(by_session(owner), "POST", page, **big),
        "api 413": ask(token, "POST", "/api/v1/patients/", **too_big),
        "415": ask(token, "POST", "/api/v1/patients/", data="x", content_type="text/x"),
        "405": ask(token, "PATCH", "/api/v1/patients/"),
    }
    settings.MAINTENANCE = True
    found["503"] = ask(by_session(owner), "GET", page)
    found["api 503"] = ask(token, "GET", "/api/v1/patients/")
    statuses = {name: answer.status_code for name, answer in found.items()}
    assert statuses == {
        "csrf": 403, "413": 413, "api 413": 413, "415": 415, "405": 405, "503": 503, "api 503": 503,
    }  # fmt: skip
    for name, answer in found.items():
        assert faults(answer) == [], name


def test_a_file_that_the_browser_has_keeps_its_headers(world):
    owner = by_session(world.accounts["owner"])
    url = address("radiology:preview", world)
    etag = ask(owner, "GET", url).headers["ETag"]
    answer = ask(owner, "GET", url, HTTP_IF_NONE_MATCH=etag)
    assert answer.status_code == 304
    assert faults(answer) == []


PRODUCTION_ASKS = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
client = Client(raise_request_exception=False)
answer = client.get("/api/", secure=True, headers={"host": "pneumonia.example.org"})
plain = client.get("/api/", headers={"host": "pneumonia.example.org"})
print(json.dumps({
    "hsts": answer.headers.get("Strict-Transport-Security"),
    "plain": [plain.status_code, plain.headers.get("Location")],
    "cookies": [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME],
    "flags": [getattr(settings, f"{kind}_COOKIE_{flag}")
        for kind in ("SESSION", "CSRF", "LANGUAGE") for flag in ("SECURE", "HTTPONLY")],
    "same_site": [settings.SESSION_COOKIE_SAMESITE, settings.CSRF_COOKIE_SAMESITE],
    "debug": settings.DEBUG,
}))
"""


def test_production_demands_https_and_its_cookies_belong_to_this_host_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTION_ASKS],
        cwd=django_settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **PRODUCTION, "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["hsts"] == "max-age=31536000; includeSubDomains; preload"
    assert said["plain"] == [301, "https://pneumonia.example.org/api/"]
    assert all(name.startswith("__Host-") for name in said["cookies"])
    assert said["flags"] == [True] * 6
    assert said["same_site"] == ["Lax", "Lax"]
    assert said["debug"] is False


def test_a_session_has_every_flag(doctor):
    client = Client()
    answer = client.post(
        "/accounts/login/", {"login": doctor.email, "password": "correct horse battery"}
    )
    answer.body = answer.content
    assert django_settings.SESSION_COOKIE_NAME in answer.cookies
    assert cookie_faults(answer) == []
    assert answer.cookies[django_settings.SESSION_COOKIE_NAME]["max-age"] == ""
