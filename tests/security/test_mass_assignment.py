"""Nobody sets what is not theirs to set by adding a field: every serializer, form and route."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from rest_framework import serializers

import accounts
import inference
import patients
import radiology
from accounts.models import Doctor
from pneumoniapp.api.serializers import StrictSerializer
from tests.access_routes import API, Route
from tests.accounts.test_signup import typed
from tests.test_access import world  # noqa: F401

from .test_verbs import fingerprint
from .walk import address, by_session, by_token, names, rows

pytestmark = pytest.mark.django_db

# Who somebody is, whose something is, and what only the program decides.
FORBIDDEN = {
    "owner": 1, "owner_id": 1, "uploaded_by": 1, "doctor": 1, "actor": 1, "requested_by": 1,
    "is_staff": True, "is_superuser": True, "is_active": True, "verification": "verified",
    "verified_by": 1, "session_generation": 9, "groups": [1], "user_permissions": [1],
    "id": "01890a5d-ac96-774b-bcce-b302099a8057", "pk": 1, "created_at": "2000-01-01",
    "status": "done", "attempts": 0, "probabilities": {}, "certainty": "high", "is_current": True,
    "model_version": 1, "sha256": "0", "file_path": "/etc/passwd",
}  # fmt: skip


def modules() -> list:
    found = []
    for package in (accounts, patients, radiology, inference):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in info.name and ".management" not in info.name:
                found.append(importlib.import_module(info.name))
    return found


def classes(kind: type) -> list[type]:
    """Every class of ours below ``kind``."""
    return [
        one
        for module in modules()
        for _name, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, kind) and one.__module__ == module.__name__
    ]


def test_every_serializer_that_reads_a_body_refuses_what_it_does_not_know():
    known = {one.__name__: one for one in classes(serializers.BaseSerializer)}
    reading = {
        name
        for module in modules()
        for name in re.findall(r"(\w+)\(\s*data=", Path(module.__file__).read_text())
    }
    assert len(reading & known.keys()) > 3
    for name in reading & known.keys():
        assert issubclass(known[name], StrictSerializer), name
    for one in classes(StrictSerializer):
        assert not one().fields.keys() & (FORBIDDEN.keys() - {"status", "certainty"}), one


def test_no_form_of_a_page_has_a_field_that_is_not_its_readers():
    found = [f for f in classes(forms.BaseForm) if "admin" not in f.__module__]
    assert len(found) > 8
    for one in found:
        fields = getattr(one, "base_fields", {})
        assert not fields.keys() & (FORBIDDEN.keys() - {"status", "certainty"}), one
        meta = getattr(getattr(one, "Meta", None), "fields", ())
        assert meta != forms.ALL_FIELDS, one


@pytest.mark.parametrize(
    "row",
    # A route that reads no body can be told nothing.
    [r for r in API if r.method in ("POST", "PUT", "PATCH") and r.body is not Route.body],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("field", ["owner", "is_staff", "verification", "status", "id"])
def test_every_route_of_the_api_refuses_the_field(row, field, world):  # noqa: F811
    owner = world.accounts["owner"]
    world.credentials = {"email": owner.email, "password": "wrong"}
    body = row.body(world) | {field: FORBIDDEN[field]}
    client, before = by_token(owner), fingerprint()
    call = getattr(client, row.method.lower())
    answer = call(address(row.name, world), body, format="multipart" if "file" in body else "json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][field][0]["code"] == "unknown"
    assert fingerprint() == before


def form_rows() -> list:
    posts = [row for name in names() for row in rows(name) if row.method == "POST"]
    return [row for row in posts if not row.is_api]


@pytest.mark.parametrize("row", form_rows(), ids=str)
def test_no_page_gives_away_rights_or_rows(row, world):  # noqa: F811
    """Whatever the form does with its own fields: the account and whose rows are stay."""
    owner, other = world.accounts["owner"], world.accounts["other"]
    wanted = ["is_staff", "is_superuser", "verification", "email", "session_generation"]
    before = Doctor.objects.values_list(*wanted).get(pk=other.pk)
    body = FORBIDDEN | {"owner": owner.pk, "user": owner.pk, "email": "new@example.org"}
    body = {name: value for name, value in body.items() if not isinstance(value, dict)}
    by_session(other).post(address(row.name, world), (row.body(world) or {}) | body)
    assert Doctor.objects.values_list(*wanted).get(pk=other.pk) == before
    world.patient.refresh_from_db()
    assert world.patient.owner_id == owner.pk
    assert not other.patients.filter(pk=world.patient.pk).exists()


def test_signing_up_gives_no_rights(client):
    rights = {"is_staff": "on", "is_superuser": "on", "verification": "verified", "groups": "1"}
    body = typed(**rights)
    client.post("/accounts/signup/", body)
    found = Doctor.objects.filter(email="new@example.org").first()
    assert found is not None, "the form itself is accepted"
    assert not found.is_staff
    assert not found.is_superuser
    assert found.verification == Doctor.Verification.PENDING
    assert settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"
