"""Nothing is done for a browser that another site has sent: every address, every unsafe verb."""

from __future__ import annotations

import pytest
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.urls import reverse
from rest_framework.authentication import SessionAuthentication
from rest_framework.settings import api_settings

from operations.models import AccessEvent
from patients.models import Patient
from tests.test_access import resolver_names

from .walk import UNSAFE, address, ask, by_session, names

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
PERSON = {"identifier": "FORGED", "sex": "F", "birth_date": "1960-01-01"}


@pytest.mark.parametrize("name", names())
def test_every_unsafe_request_without_a_token_is_refused(name, world):
    """By session, on pages and in the admin: 403. The API takes no session at all."""
    url = address(name, world)
    for role in ("anonymous", "owner", "superuser"):
        browser = by_session(world.accounts[role], enforce_csrf_checks=True)
        for verb in UNSAFE:
            answer = ask(browser, verb, url, data="a=b", content_type=FORM)
            allowed = (401, 403, 404, 405) if name.startswith("api:") else (403,)
            # Programs ask for their first token with a password: no cookie can do it for them.
            if name == "api:token" and verb == "POST":
                allowed = (415,)
            assert answer.status_code in allowed, (role, verb)
    assert not AccessEvent.objects.filter(action__in=("create", "update", "delete")).exists()


def test_only_the_api_goes_without_the_token_of_a_form():
    exempt = {
        name
        for name, pattern in resolver_names().items()
        if getattr(pattern.callback, "csrf_exempt", False)
    }
    assert exempt
    assert all(name.startswith("api:") for name in exempt)


def test_no_view_of_the_api_knows_a_session():
    views = [
        view
        for name, pattern in resolver_names().items()
        if name.startswith("api:") and (view := getattr(pattern.callback, "cls", None))
    ]
    known = {kind for view in views for kind in getattr(view, "authentication_classes", [])}
    known |= set(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    assert len(views) > 10
    assert not any(issubclass(kind, SessionAuthentication) for kind in known)


def test_a_token_of_somebody_else_does_not_do(doctor, client_for):
    browser = by_session(doctor, enforce_csrf_checks=True)
    browser.get(reverse("patients:create"))
    foreign = get_token(RequestFactory().get("/"))
    body = PERSON | {"csrfmiddlewaretoken": foreign}
    assert browser.post(reverse("patients:create"), body).status_code == 403
    assert not Patient.objects.exists()


def test_the_token_of_the_page_does(doctor):
    """The other side of the walk: it refuses for the lack of a token and for nothing else."""
    browser = by_session(doctor, enforce_csrf_checks=True)
    page = browser.get(reverse("patients:create"))
    body = PERSON | {"csrfmiddlewaretoken": str(page.context["csrf_token"])}
    assert browser.post(reverse("patients:create"), body).status_code == 302
    assert Patient.objects.filter(identifier="FORGED").exists()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example"]
)
def test_another_sites_form_is_refused_even_with_a_token(doctor, origin):
    browser = by_session(doctor, enforce_csrf_checks=True)
    page = browser.get(reverse("patients:create"))
    body = PERSON | {"csrfmiddlewaretoken": str(page.context["csrf_token"])}
    answer = browser.post(reverse("patients:create"), body, headers={"origin": origin})
    assert answer.status_code == 403
    assert not Patient.objects.exists()


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_no_header_or_field_makes_another_verb_of_a_post(world, verb, header):
    owner = by_session(world.accounts["owner"])
    url = address("radiology:upload", world)
    assert owner.post(url, {"_method": verb}, headers={header: verb}).status_code == 405
    assert owner.head(url).status_code == 204, "the upload is still there"


def test_the_login_takes_no_forged_form_either(doctor):
    """Signed in to somebody else's account, a doctor would send patients there."""
    browser = by_session(None, enforce_csrf_checks=True)
    answer = browser.post(reverse("account_login"), {"login": doctor.email, "password": "x"})
    assert answer.status_code == 403
