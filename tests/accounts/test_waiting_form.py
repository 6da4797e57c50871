"""A form that waits for the password: nothing of it can be read in the session's row."""

from __future__ import annotations

import base64
import zlib
from datetime import timedelta

import pytest
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.models import Doctor
from accounts.sessions.services import sessions_purge
from patients.models import Erasure
from tests.patients.factories import PatientFactory

from .factories import PASSWORD

pytestmark = pytest.mark.django_db
ASKED = "/accounts/reauthenticate/"
PLANTED = "Zqremarque 4711: toux de Mme Zqpatiente"
HEADER, COOKIE = "Zqentete4711", "Zqbiscuit4711"


@pytest.fixture
def patient():
    return PatientFactory()


@pytest.fixture
def browser(client, patient, time_machine):
    """The patient's doctor, who logged in a while ago."""
    client.post("/accounts/login/", {"login": patient.owner.email, "password": PASSWORD})
    time_machine.move_to(timezone.now() + timedelta(minutes=20))
    return client


def send(browser, patient, **values) -> str:
    """Ask for an erasure; the address where the password is asked for."""
    values = {"cause": "other", "comment": PLANTED, "confirm": "on"} | values
    browser.cookies["planted"] = COOKIE
    response = browser.post(
        f"/patients/{patient.pk}/erasure/", values, headers={"user-agent": HEADER}
    )
    assert response.status_code == 302
    assert response.url.startswith(ASKED), response.url
    return response.url


def rows() -> str:
    """All that the table of sessions holds: as it is, and unpacked by who knows Django."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key, session_data FROM django_session")
        found = cursor.fetchall()
    texts = [str(found)]
    for _key, data in found:
        packed = data.split(":")[0]
        raw = base64.urlsafe_b64decode(packed.lstrip(".") + "=" * (-len(packed.lstrip(".")) % 4))
        texts.append((zlib.decompress(raw) if packed.startswith(".") else raw).decode())
    return "\n".join(texts)


def waits(browser) -> bool:
    return STATE_SESSION_KEY in browser.session and "waiting_form" in rows()


def test_what_was_typed_is_not_in_the_row_and_goes_on(browser, patient):
    address = send(browser, patient)
    text = rows()
    assert "waiting_form" in text, "it waits"
    for value in ("Zqremarque", "Zqpatiente", "comment", HEADER, COOKIE, str(patient.pk), "META"):
        assert value not in text, value
    response = browser.post(address, {"password": PASSWORD})
    assert response.status_code == 302
    assert Erasure.objects.get().comment == PLANTED
    assert not waits(browser), "it is used"
    assert "waiting_form" not in rows()


def test_only_what_the_view_needs_is_kept(browser, patient):
    send(browser, patient)
    kept = browser.session[STATE_SESSION_KEY]["request"]
    assert "Zqremarque" in kept
    assert HEADER in kept
    for value in (COOKIE, "HTTP_COOKIE", "csrfmiddlewaretoken", "SECRET_KEY"):
        assert value not in kept


@pytest.mark.parametrize("keys", ["other", "none", "older"])
def test_the_keys_of_the_files_seal_it(keys, browser, patient, settings):
    old = settings.FILE_KEYS
    new = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()
    if keys == "none":
        settings.FILE_KEYS = []
    send(browser, patient)
    assert "Zqremarque" not in rows()
    if keys == "other":
        settings.FILE_KEYS = [new]
        assert not browser.session.get(STATE_SESSION_KEY)
        return
    if keys == "older":
        settings.FILE_KEYS = [new, *old]
    assert waits(browser)


def test_it_waits_for_a_short_time(browser, patient, time_machine, settings):
    settings.WAITING_FORM_SECONDS = 300
    address = send(browser, patient)
    time_machine.move_to(timezone.now() + timedelta(seconds=250))
    browser.get("/account/")  # writes the session again: it does not start anew
    assert waits(browser)
    time_machine.move_to(timezone.now() + timedelta(seconds=60))
    browser.get("/account/")
    assert STATE_SESSION_KEY not in browser.session
    browser.post(address, {"password": PASSWORD})
    assert not Erasure.objects.exists()
    assert "waiting_form" not in rows()


def test_it_is_taken_away_at_the_third_wrong_password(browser, patient):
    address = send(browser, patient)
    for _try in range(2):
        browser.post(address, {"password": "wrong"})
        assert waits(browser)
    browser.post(address, {"password": "wrong"})
    assert not waits(browser)
    assert "waiting_form" not in rows()
    browser.post(address, {"password": PASSWORD})
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("way", ["logout", "ended elsewhere", "too old"])
def test_it_ends_with_the_session(way, browser, patient, time_machine):
    send(browser, patient)
    if way == "logout":
        browser.post("/accounts/logout/")
    elif way == "ended elsewhere":
        patient.owner.usersession_set.get().end()
    else:
        time_machine.move_to(timezone.now() + timedelta(days=1))
        sessions_purge()
    assert "waiting_form" not in rows()


def test_a_password_and_a_file_are_never_kept(browser, patient):
    file = SimpleUploadedFile("Zqfichier.txt", b"Zqcontenu")
    for extra in ({"new_password": "Zqphrase4711"}, {"passphrase2": "Zqphrase4711"}, {"f": file}):
        address = send(browser, patient, **extra)
        assert not waits(browser)
        text = rows()
        assert "waiting_form" not in text
        assert not any(word in text for word in ("Zqphrase", "Zqfichier", "Zqcontenu"))
    # Nothing goes on; the page is shown again.
    response = browser.post(address, {"password": PASSWORD})
    assert response.url == f"/patients/{patient.pk}/erasure/"
    assert browser.get(response.url).status_code == 200
    assert not Erasure.objects.exists()


def test_another_way_into_the_session_is_sealed_as_well(browser, patient):
    """Whoever puts a form there: allauth's own pages come not through our check."""
    session = browser.session
    session[STATE_SESSION_KEY] = {"callback": "a.b", "state": {"email": "zq4711@example.org"}}
    session.save()
    assert "zq4711" not in rows()
    assert browser.session[STATE_SESSION_KEY]["state"] == {"email": "zq4711@example.org"}


def test_the_rest_of_a_session_is_as_django_has_it(browser):
    row = Session.objects.get()
    told = signing.loads(
        row.session_data,
        salt="django.contrib.sessions.SessionStore",
        serializer=signing.JSONSerializer,
    )
    assert told["_auth_user_id"] == str(Doctor.objects.get().pk)
    assert row.get_decoded() == told
