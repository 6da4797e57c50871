"""Hostile files through every door of the web: an answer with a code, nothing half-stored."""

from __future__ import annotations

import datetime as dt
import time
import zlib
from functools import lru_cache

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.test import APIClient

from inference.models import Analysis
from operations.storage import storage_compare
from patients.models import Patient
from radiology.models import Radiograph, Upload
from radiology.uploads import PIECE_BYTES
from tests.accounts.factories import token_for
from tests.patients.factories import PatientFactory
from tests.radiology.archives import archive_bytes

from .corpus import CORPUS
from .mutants import mutant
from .sound import generated

pytestmark = pytest.mark.django_db

NEW, INSPECT = reverse("inference:new"), reverse("inference:inspect")
# Seconds of the processor for one request, on whatever runs the tests.
LONG = 3.0
CONFLICT = "sop_instance_uid_conflict"


# What a file says of the patient is not what is tried here.
SURE = {"confirm_mismatch": "true"}


@lru_cache
def files() -> dict[str, tuple[bytes, str]]:
    """Name -> (content, code of the refusal or ``""``): the corpus, less what is merely huge."""
    made = {name: (make(), web) for name, (make, web, _decoder) in CORPUS.items()}
    return {name: file for name, file in made.items() if len(file[0]) < 3_000_000}


def is_archive(content: bytes) -> bool:
    return content.startswith(b"PK\x03\x04")


@pytest.fixture
def patient(doctor) -> Patient:
    return PatientFactory(owner=doctor)


@pytest.fixture
def api(doctor) -> APIClient:
    client = APIClient(headers={"accept-language": "en"})
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_for(doctor)}")
    return client


def timed(function, *arguments, **options):
    began = time.process_time()
    response = function(*arguments, **options)
    assert time.process_time() - began < LONG
    assert response.status_code < 500, response.content
    return response


def nothing_is_half_stored() -> None:
    """Each radiograph has its file and its analysis, and each file its row."""
    found = storage_compare(older_than=dt.timedelta(0))
    assert not found.lost
    assert not found.orphans
    rows = Radiograph.objects.count()
    assert found.files == found.rows == rows
    assert Analysis.objects.count() == rows


def test_by_the_page(doctor_client, patient):
    for name, (content, web) in files().items():
        upload = SimpleUploadedFile(f"{name[:20]}.dcm", content)
        fields = {"patient": str(patient.pk), "files": [upload], "acquired_on": "2024-01-15"} | SURE
        response = timed(doctor_client.post, NEW, fields, headers={"accept": "application/json"})
        (result,) = response.json()["results"]
        code = result.get("error", {}).get("code", "")
        # The page takes ZIP archives, and what begins like one.
        expected = {"zip of one": "", "polyglot b'PK\\x03\\x04'": "archive_broken"}.get(name, web)
        assert code in (expected, CONFLICT) or result.get("created") is False, name
    nothing_is_half_stored()
    assert Radiograph.objects.exists()


def test_by_the_api(api, patient):
    codes = set()
    for name, (content, web) in files().items():
        values = {"patient": patient.pk, "acquired_on": "2024-01-15"} | SURE
        file = SimpleUploadedFile("x.dcm", content)
        response = timed(
            api.post, "/api/v1/radiographs/", values | {"file": file}, format="multipart"
        )
        code = response.json().get("code", "")
        codes.add(code)
        # Pixels that are there already under this UID: the radiograph that is there.
        assert code in (web, CONFLICT) or response.status_code == 200, name
        assert response.status_code in ((400, 409) if code else (200, 202)), name
    assert len(codes) > 15
    nothing_is_half_stored()


def test_by_a_new_patient_who_does_not_come_to_be(doctor_client):
    refused = [(n, c) for n, (c, web) in files().items() if web and c]
    for name, content in refused:
        if name == "zip of one":
            continue
        fields = {"patient": "new", "identifier": "X 1", "sex": "F", "birth_date": "1950-01-02"}
        upload = SimpleUploadedFile("x.dcm", content)
        timed(doctor_client.post, NEW, fields | {"files": [upload]})
        assert not Patient.objects.exists(), name
    nothing_is_half_stored()


def test_the_first_bytes(doctor_client):
    for name, (content, _web) in files().items():
        head = SimpleUploadedFile("head", content[: 256 * 1024])
        response = timed(doctor_client.post, INSPECT, {"head": head})
        assert response.status_code in (200, 400), name


def test_by_an_archive_of_all_of_them(doctor_client, patient):
    """One request, each file with its own answer."""
    entries = [(f"{number}.dcm", content) for number, (content, _) in enumerate(files().values())]
    fields = {"patient": str(patient.pk), "acquired_on": "2024-01-15"} | SURE
    upload = SimpleUploadedFile("all.zip", archive_bytes(*entries))
    began = time.process_time()
    response = doctor_client.post(
        NEW, fields | {"files": [upload]}, headers={"accept": "application/json"}
    )
    assert time.process_time() - began < 10 * LONG
    results = response.json()["results"]
    assert len(results) == len(entries)
    for (name, (content, web)), result in zip(files().items(), results, strict=True):
        code = result.get("error", {}).get("code", "")
        if result["state"] == "duplicate":
            continue
        expected = {web, CONFLICT, "archive_entry_archive" if is_archive(content) else web}
        assert code in expected, name
    nothing_is_half_stored()


def test_by_pieces(doctor_client, patient):
    """Resumable uploads: what came in is judged like any file, and its pieces are let go."""
    for name in ("deflate bomb", "30,000 elements", "no pixels", "zip of one", "zeros", "15 deep"):
        content, web = files()[name]
        made = timed(doctor_client.post, reverse("radiology:uploads"), {"size": len(content)})
        for offset in range(0, len(content), PIECE_BYTES):
            timed(
                doctor_client.patch,
                made.json()["url"],
                content[offset : offset + PIECE_BYTES],
                content_type="application/offset+octet-stream",
                headers={"upload-offset": str(offset)},
            )
        fields = {
            "patient": str(patient.pk),
            "upload": made.json()["id"],
            "checksum": zlib.crc32(content),
            "acquired_on": "2024-01-15",
            "confirm_mismatch": "true",
        }
        response = timed(doctor_client.post, NEW, fields, headers={"accept": "application/json"})
        (result,) = response.json()["results"]
        expected = "" if name == "zip of one" else web
        assert result.get("error", {}).get("code", "") == expected, name
    assert Radiograph.objects.count() == 2
    timed(doctor_client.delete, made.json()["url"])
    assert Upload.objects.count() == 5
    nothing_is_half_stored()


def test_mutants_by_the_api(api, patient):
    for number in range(80):
        made = mutant(generated(), f"web:{number}")
        file = SimpleUploadedFile("x.dcm", made.content)
        values = {"patient": patient.pk, "file": file} | SURE
        response = timed(
            api.post,
            "/api/v1/radiographs/",
            values | {"acquired_on": "2024-01-15"} | SURE,
            format="multipart",
        )
        assert response.status_code in (200, 202) or response.json()["code"], number
    nothing_is_half_stored()
