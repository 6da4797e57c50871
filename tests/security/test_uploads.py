"""What is called a radiograph and is none is refused, and what is sent back is never a page."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from radiology.models import Radiograph
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes
from tests.test_access import world  # noqa: F401

from .walk import ask, by_session, by_token

pytestmark = pytest.mark.django_db

SCRIPT = b"<script>alert(document.domain)</script>"
NO_RADIOGRAPHS = {
    "html": b"<!doctype html><html><body>" + SCRIPT + b"</body></html>",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "js": b"alert(document.domain)//" + b" " * 200,
    "pdf": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj" + b" " * 200,
    "php": b"<?php system($_GET['c']); ?>" + b" " * 200,
    "exe": b"MZ" + b"\0" * 400,
    "shell": b"#!/bin/sh\nrm -rf /\n" + b" " * 200,
    "xxe": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>' + b" " * 200,
    "magic": SCRIPT.ljust(128, b" ") + b"DICM" + SCRIPT * 20,
    "nothing": b"",
}
TYPES = ("application/dicom", "text/html", "image/svg+xml", "application/octet-stream")


def stored() -> list[str]:
    try:
        return default_storage.listdir("radiographs")[0] + default_storage.listdir("radiographs")[1]
    except FileNotFoundError:
        return []


def pages(doctor, patient, content: bytes, name: str, kind: str) -> dict:
    """The same file through every door."""

    def file():
        return SimpleUploadedFile(name, content, content_type=kind)

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(name, content)
    zipped = SimpleUploadedFile("a.zip", archive.getvalue(), content_type="application/zip")
    page, program = by_session(doctor), by_token(doctor)
    new = reverse("inference:new")
    form = {"patient": str(patient.pk)}
    return {
        "page": page.post(new, form | {"files": file()}),
        "script": page.post(new, form | {"files": file()}, headers={"accept": "application/json"}),
        "archive": page.post(new, form | {"files": zipped}),
        "inspect": page.post(reverse("inference:inspect"), {"head": file()}),
        "api": program.post(
            reverse("api:radiograph-list"), form | {"file": file()}, format="multipart"
        ),
    }


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("what", NO_RADIOGRAPHS)
def test_whatever_it_is_called_it_is_refused(doctor, what, kind):
    patient = PatientFactory(owner=doctor)
    content = NO_RADIOGRAPHS[what]
    for door, answer in pages(doctor, patient, content, "image.dcm", kind).items():
        if door != "inspect":  # which only says what it could read, as JSON
            assert 400 <= answer.status_code < 500, door
        assert answer.status_code < 500, door
        assert SCRIPT not in answer.content, door
    assert not Radiograph.objects.exists()
    assert stored() == []


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "name", ["x.html", "../../../evil.dcm", "a.php\0.dcm", 'a";evil="1.dcm', "/etc/passwd", "é.svg"]
)
def test_neither_name_nor_type_of_the_sender_come_back(doctor, name, kind):
    patient = PatientFactory(owner=doctor)
    file = SimpleUploadedFile("image.dcm", dicom_bytes(), content_type=kind)
    file._name = name
    answer = by_token(doctor).post(
        reverse("api:radiograph-list"), {"patient": patient.pk, "file": file}, format="multipart"
    )
    assert answer.status_code == 202, answer.content
    radiograph = Radiograph.objects.get()
    assert radiograph.file.name.startswith("radiographs/")
    assert radiograph.file.name.endswith(f"{radiograph.pk}/image.dcm")
    for client, address in (
        (by_session(doctor), reverse("radiology:dicom", args=[radiograph.pk])),
        (by_token(doctor), reverse("api:radiograph-dicom", args=[radiograph.pk])),
    ):
        sent = ask(client, "GET", address)
        assert sent.headers["Content-Type"] == "application/dicom"
        assert sent.headers["X-Content-Type-Options"] == "nosniff"
        assert f'filename="{radiograph.pk}.dcm"' in sent.headers["Content-Disposition"]


def test_a_radiograph_that_is_a_page_as_well_is_sent_back_without_it(doctor):
    """The 128 bytes before a DICOM file are free for anything, a page for instance."""
    page = (b"<html>" + SCRIPT).ljust(128, b" ")
    content = page + dicom_bytes()[128:]
    answers = pages(doctor, PatientFactory(owner=doctor), content, "page.html", "text/html")
    assert answers["page"].status_code == 302
    radiograph = Radiograph.objects.get()
    sent = ask(by_session(doctor), "GET", reverse("radiology:dicom", args=[radiograph.pk]))
    assert SCRIPT not in sent.body
    assert sent.body[:128] == b"\0" * 128
    assert sent.headers["Content-Disposition"].startswith("attachment")


def test_every_file_that_is_sent_says_what_it_is_and_is_no_page(world):  # noqa: F811
    owner = by_session(world.accounts["owner"])
    radiograph, analysis = world.analysis.radiograph_id, world.analysis.pk
    found = {
        name: ask(owner, "GET", reverse(name, args=[key])).headers
        for name, key in (
            ("radiology:preview", radiograph),
            ("radiology:depth", radiograph),
            ("inference:map", analysis),
            ("inference:report", radiograph),
        )
    }
    assert {name: headers["Content-Type"] for name, headers in found.items()} == {
        "radiology:preview": "image/jpeg",
        "radiology:depth": "application/octet-stream",
        "inference:map": "image/png",
        "inference:report": "application/pdf",
    }
    assert all(headers["X-Content-Type-Options"] == "nosniff" for headers in found.values())
