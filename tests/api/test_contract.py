"""The API keeps what its description promises: requests made up from it by Schemathesis.

For every operation, valid and invalid requests are made from the OpenAPI document, and all of
Schemathesis's checks are applied to the answers: no server error, only documented statuses,
media types, headers and bodies, invalid data refused, valid data accepted, tokens demanded,
other methods refused. The examples are the same in every run.
"""

from __future__ import annotations

import datetime as dt
import itertools
import uuid

import pytest
import schemathesis
from django.core.files.base import ContentFile
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.transport.serialization import Binary

from patients.models import Patient
from pneumoniapp.wsgi import application
from tests.accounts.factories import PASSWORD, DoctorFactory, token_for
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, dicom_bytes

MAX_EXAMPLES = 25

# Objects that the requests name: found (of the doctor who asks) and not found (of another).
PATIENT, RADIOGRAPH, DONE, FAILED, MODEL, OTHERS = (
    uuid.UUID(int=n << 76 | 7 << 76)
    for n in (
        0x1000,
        0x2000,
        0x3000,
        0x4000,
        0x5000,
        0x6000,
    )
)

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {
            "max-examples": MAX_EXAMPLES,
            "deterministic": True,
            "database": "none",
            "no-shrink": True,
            # An unexpected parameter that happens to be an empty list is never sent, but its
            # refusal is awaited. test_patients sends real ones.
            "allow-extra-parameters": False,
        }
    }
)

numbers = itertools.count()
schemathesis.openapi.media_type(
    "application/dicom",
    st.builds(lambda: dicom_bytes(rows=64, columns=64, seed=next(numbers) % 8)),
)
# Birth dates of people who live, dates of radiographs that were taken: others are refused.
schemathesis.openapi.format(
    "date", st.dates(dt.date(1920, 1, 1), dt.date(2020, 1, 1)).map(dt.date.isoformat)
)


def whole(environ, start_response):
    """The application with its answers read to the end and closed, as a server does."""
    answer = application(environ, start_response)
    try:
        return [b"".join(answer)]
    finally:
        answer.close()


schema = schemathesis.openapi.from_wsgi("/api/schema/", whole, config=CONFIG)


@pytest.fixture
def doctor(settings):
    """A doctor with a patient and readings, beside another doctor with the same."""
    settings.API_THROTTLES = dict.fromkeys(settings.API_THROTTLES, "1000000/min")
    settings.API_TOKEN_LIMIT = 1_000_000
    settings.ACCOUNT_RATE_LIMITS = False
    doctor = DoctorFactory(email="doctor@example.org")
    version = ModelVersionFactory(pk=MODEL, in_production=True)
    patient = PatientFactory(pk=PATIENT, owner=doctor)
    done = AnalysisFactory(
        pk=DONE, model_version=version, radiograph=RadiographFactory(pk=RADIOGRAPH, patient=patient)
    )
    done.map.save("map.png", ContentFile(b"\x89PNG"))
    done.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    AnalysisFactory(pk=FAILED, failed=True, radiograph__patient=patient)
    AnalysisFactory(pk=OTHERS, radiograph__pk=OTHERS, radiograph__patient__pk=OTHERS)
    return doctor


@pytest.fixture(autouse=True)
def _one_connection():
    """Requests stay on the test's own database connection, as with Django's test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def statuses():
    """The statuses that one operation has answered; one of them must be a success."""
    seen: set[int] = set()
    yield seen
    assert any(200 <= status < 300 for status in seen), seen


KNOWN = {
    "/api/v1/patients/": [PATIENT, OTHERS],
    "/api/v1/radiographs/": [RADIOGRAPH, OTHERS],
    "/api/v1/analyses/{id}/retry/": [FAILED, DONE, OTHERS],
    "/api/v1/analyses/": [DONE, FAILED, OTHERS],
    "/api/v1/models/": [MODEL],
}
turns = itertools.count()


@schema.hook
def map_path_parameters(context, path_parameters):
    """In turn, ask for each object that exists, and now and then for one that does not."""
    if is_plain((path_parameters or {}).get("code")) and next(turns) % 2:
        path_parameters["code"] = "not_found"
    known = next((k for p, k in KNOWN.items() if context.operation.path.startswith(p)), None)
    if known and is_uuid((path_parameters or {}).get("id")):
        turn = next(turns) % (len(known) + 1)
        if turn < len(known):
            path_parameters["id"] = str(known[turn])
    return path_parameters


@schema.hook
def map_body(context, body):
    """Name patients and credentials that exist."""
    if not isinstance(body, dict):
        return body
    if context.operation.path == "/api/v1/radiographs/" and is_uuid(body.get("patient")):
        body["patient"] = str(PATIENT)
    if body.keys() == {"email", "password"} and all(map(is_plain, body.values())):
        body |= {"email": "doctor@example.org", "password": PASSWORD}
    return body


def is_plain(text) -> bool:
    return isinstance(text, str) and text != "" and text.isprintable()


def is_date(text) -> bool:
    try:
        return bool(dt.date.fromisoformat(text))
    except (ValueError, TypeError):
        return False


def is_uuid(text) -> bool:
    try:
        return bool(uuid.UUID(text))
    except (ValueError, TypeError, AttributeError):
        return False


def says_whose(body) -> bool:
    """Whether an upload names a patient in one way: what ``oneOf`` demands of the whole body.

    Schemathesis also makes "valid" bodies from ``properties`` alone, which it should not.
    """
    if not isinstance(body, dict) or "file" not in body:
        return True
    person = [name for name in ("patient_identifier", "birth_date", "sex") if name in body]
    return len(person) == (0 if "patient" in body else 3)


def is_right_in_unicode(body) -> bool:
    """Whether a "wrong" identifier is a right one: Schemathesis negates the pattern with letters
    and digits of ASCII alone, and takes superscripts and their like for neither."""
    text = body.get("identifier") if isinstance(body, dict) else None
    if not isinstance(text, str) or text.isascii():
        return False
    return bool(Patient._meta.get_field("identifier").validators[0].regex.search(text))


def make_plausible(body) -> None:
    """Send a DICOM file where a picture was made up, and no radiograph of the unborn."""
    if not isinstance(body, dict):
        return
    if isinstance(body.get("file"), Binary):
        body["file"] = dicom_bytes(rows=64, columns=64, seed=next(numbers) % 8)
    if is_date(body.get("acquired_on")):
        body["acquired_on"] = "2022-02-02"


@schema.parametrize()
@settings(suppress_health_check=list(HealthCheck))
@pytest.mark.django_db
def test_the_api_keeps_its_promises(case, doctor, statuses):
    if case.operation.label == "POST /api/v1/radiographs/":
        if not says_whose(case.body):
            return
        make_plausible(case.body)
    if is_right_in_unicode(case.body):
        return
    token = token_for(doctor)
    response = case.call_and_validate(headers={"Authorization": f"Token {token}"})
    statuses.add(response.status_code)
