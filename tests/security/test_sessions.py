"""A session belongs to who logged in to it, from then on, and to nobody else."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.sessions.store import SessionStore
from tests.accounts.factories import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(browser: Client, doctor):
    body = {"login": doctor.email, "password": PASSWORD}
    return browser.post(reverse("account_login"), body)


def key(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def test_a_key_that_somebody_planted_is_never_signed_in(doctor):
    """Fixation: whoever knows the key from before the login knows nothing after it."""
    attacker = Client()
    session = attacker.session
    session["planted"] = True
    session.save()
    victim = Client()
    victim.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert log_in(victim, doctor).status_code == 302
    assert key(victim) != session.session_key
    attacker.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert attacker.get(reverse("accounts:account")).status_code == 302
    assert not Session.objects.filter(session_key=session.session_key).exists()


def test_a_made_up_key_is_not_taken(doctor):
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    log_in(browser, doctor)
    assert key(browser) != "a" * 32


def test_the_token_of_forms_changes_with_the_login(doctor):
    browser = Client()
    browser.get(reverse("account_login"))
    before = browser.cookies[settings.CSRF_COOKIE_NAME].value
    log_in(browser, doctor)
    assert browser.cookies[settings.CSRF_COOKIE_NAME].value != before


def test_whoever_follows_at_the_same_browser_gets_a_session_of_their_own(doctor, other_doctor):
    browser = Client()
    log_in(browser, doctor)
    first = key(browser)
    browser.post(reverse("account_logout"))
    assert not Session.objects.filter(session_key=first).exists()
    log_in(browser, other_doctor)
    assert key(browser) != first
    stolen = Client()
    stolen.cookies[settings.SESSION_COOKIE_NAME] = first
    assert stolen.get(reverse("accounts:account")).status_code == 302


def test_no_key_of_a_session_comes_into_a_page_or_an_address(doctor):
    browser = Client()
    log_in(browser, doctor)
    for name in ("accounts:account", "patients:list", "inference:list"):
        answer = browser.get(reverse(name))
        assert key(browser) not in answer.text
        assert key(browser) not in str(answer.headers.get("Location", ""))


def test_a_session_is_kept_out_of_cookies_and_is_not_pickled():
    assert settings.SESSION_ENGINE == "accounts.sessions.store"
    assert issubclass(SessionStore, db.SessionStore)
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
