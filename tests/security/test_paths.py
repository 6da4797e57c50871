"""No address reads a file of the server: static files, patients' files, models."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from .walk import ask, by_session, by_token

pytestmark = pytest.mark.django_db

UP = [
    "../manage.py", "..%2fmanage.py", "%2e%2e/manage.py", "%2e%2e%2fmanage.py", "..%252fmanage.py",
    "..\\manage.py", "..%5cmanage.py", "....//manage.py", "css/../../manage.py", "/etc/passwd",
    "%2fetc%2fpasswd", "//etc/passwd", "..;/manage.py", "css/app.css%00.html", "~root/.profile",
    ".%2e/manage.py", "%c0%ae%c0%ae/manage.py", "css/..%c0%afmanage.py",
]  # fmt: skip
PLACES = (
    "/static/", "/media/", "/radiographs/", "/models/", "/analyses/", "/uploads/", "/api/v1/",
    "/api/v1/radiographs/", "/api/problems/", "/",
)  # fmt: skip
SECRETS = (b"DJANGO_SETTINGS_MODULE", b"root:x:", b"SECRET_KEY")


@pytest.fixture
def served(settings):
    """Static files as a person's own machine serves them, and as production does."""
    settings.WHITENOISE_USE_FINDERS = True


@pytest.mark.parametrize("up", UP)
def test_no_address_leads_out(up, served, doctor):
    for client in (by_session(None), by_session(doctor), by_token(doctor)):
        for place in PLACES:
            answer = ask(client, "GET", place + up)
            assert answer.status_code in (301, 302, 400, 401, 404, 405), place
            assert not any(secret in answer.body for secret in SECRETS)


def test_patients_files_have_no_address_of_their_own(doctor):
    name = default_storage.save("radiographs/ab/one/image.dcm", ContentFile(b"pixels"))
    assert settings.MEDIA_URL in ("", "/")
    for place in ("/", "/media/", "/static/", "/static/../"):
        answer = ask(by_session(doctor), "GET", place + name)
        assert answer.status_code == 404
        assert b"pixels" not in answer.body


@pytest.mark.parametrize("name", ["../../etc", "mobilenetv2/..", "%2e%2e", "a%00b", "."])
def test_a_model_is_no_path(name, doctor):
    answer = ask(by_session(doctor), "GET", f"/models/{name}/1/")
    assert answer.status_code in (301, 404)


@pytest.mark.parametrize("place", [".git/config", ".env", "var/db.sqlite3", "static/../.env"])
def test_nothing_of_the_checkout_is_served(place, served):
    assert ask(by_session(None), "GET", f"/{place}").status_code == 404
