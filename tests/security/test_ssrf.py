"""The program fetches no address that anybody gives it: it has nothing to fetch with."""

from __future__ import annotations

import ast
import socket

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.urls import reverse

from radiology.models import Radiograph
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes

from .walk import by_session, by_token

APPS = ("accounts", "inference", "operations", "patients", "pneumoniapp", "radiology")
CLIENTS = {
    "aiohttp", "boto3", "ftplib", "http.client", "httpx", "paramiko", "pycurl", "requests",
    "smtplib", "telnetlib", "urllib.request", "urllib3", "xmlrpc",
}  # fmt: skip


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_served_module_imports_anything_that_fetches():
    found = {
        f"{path.relative_to(settings.BASE_DIR)}: {name}"
        for app in APPS
        for path in (settings.BASE_DIR / app).rglob("*.py")
        for name in imports(path.read_text())
        for client in CLIENTS
        if name == client or name.startswith(f"{client}.")
    }
    assert found == set()


def test_no_row_of_ours_holds_an_address_to_fetch():
    ours = [m for m in apps.get_models() if m.__module__.split(".")[0] in APPS]
    assert not [
        f"{model.__name__}.{field.name}"
        for model in ours
        for field in model._meta.concrete_fields
        if isinstance(field, models.URLField)
    ]


@pytest.mark.django_db
def test_a_file_full_of_addresses_makes_nobody_call_them(doctor, monkeypatch):
    """DICOM has attributes for where to get pixels from, and what it is described by."""
    called = []

    def connect(_self, address):
        called.append(address)
        raise OSError("no connection in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_kw: called.append(args) or [])
    evil = "http://169.254.169.254/latest/meta-data/"
    patient = PatientFactory(owner=doctor)
    content = dicom_bytes(RetrieveURL=evil, PixelDataProviderURL=evil, RetrieveURI=evil)
    by_session(doctor).post(
        reverse("inference:new"),
        {"patient": patient.pk, "files": SimpleUploadedFile("a.dcm", content), "url": evil},
    )
    by_token(doctor).post(
        reverse("api:radiograph-list"),
        {"patient": patient.pk, "file": SimpleUploadedFile("a.dcm", dicom_bytes(seed=3))},
        format="multipart",
    )
    assert Radiograph.objects.filter(patient=patient).exists()
    assert called == []
