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
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from knox.models import AuthToken
from schemathesis.config import SchemathesisConfig

from pneumoniapp.wsgi import application
from tests.accounts.factories import DoctorFactory
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory, dicom_bytes

MAX_EXAMPLES = 12

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
schema = schemathesis.openapi.from_wsgi("/api/schema/", application, config=CONFIG)


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


KNOWN = {
    "/api/v1/patients/": [PATIENT, OTHERS],
    "/api/v1/radiographs/": [RADIOGRAPH, OTHERS],
    "/api/v1/analyses/": [DONE, FAILED, OTHERS],
    "/api/v1/models/": [MODEL],
}


@schema.hook
def map_path_parameters(context, path_parameters):
    """Ask for objects that exist as often as for ones that don't."""
    known = next((k for p, k in KNOWN.items() if context.operation.path.startswith(p)), None)
    if known and path_parameters and "id" in path_parameters:
        text = str(path_parameters["id"])
        try:
            number = uuid.UUID(text).int
        except ValueError:
            return path_parameters
        if number % 3:
            path_parameters["id"] = str(known[number % len(known)])
    return path_parameters


@schema.hook
def map_body(context, body):
    """Name patients and credentials that exist."""
    if not isinstance(body, dict):
        return body
    if context.operation.path == "/api/v1/radiographs/" and "patient" in body:
        try:
            uuid.UUID(body["patient"])
        except (ValueError, AttributeError, TypeError):
            return body
        body["patient"] = str(PATIENT)
    return body


@schema.parametrize()
@settings(suppress_health_check=list(HealthCheck), deadline=None)
@pytest.mark.django_db
def test_the_api_keeps_its_promises(case, doctor):
    _digest, token = AuthToken.objects.create(user=doctor)
    case.call_and_validate(headers={"Authorization": f"Token {token}"})
