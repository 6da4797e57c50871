"""What the answers look like, for the description of the API."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

HOST = "https://pneumonia.example.org"
RADIOGRAPH = "0199d5a2-6c1e-7b43-9a57-2f1d5c7e8b90"
ANALYSIS = "0199d5a2-6c2a-7e11-8c04-b7a3f2d9e615"
PATIENT = {
    "id": "0199d5a0-11f4-7a0c-b6d2-4e9c0f3a7d21",
    "identifier": "IPP-000123",
    "sex": "F",
    "birth_date": "1961-05-04",
}

QUEUED_ANALYSIS = {
    "id": ANALYSIS,
    "radiograph": RADIOGRAPH,
    "is_current": True,
    "status": "queued",
    "error": None,
    "withheld": False,
    "label": None,
    "probabilities": None,
    "certainty": None,
    "prediction_set": None,
    "typical": None,
    "model": None,
    "timings": {},
    "map": None,
    "attempts": 0,
    "queued_at": "2026-01-12T09:30:00.120000+01:00",
    "started_at": None,
    "finished_at": None,
}
DONE_ANALYSIS = QUEUED_ANALYSIS | {
    "status": "done",
    "label": "lung_opacity",
    "probabilities": {"normal": 0.04, "lung_opacity": 0.87, "not_normal": 0.09},
    "certainty": "certain",
    "prediction_set": ["lung_opacity"],
    "typical": True,
    "model": {
        "id": "0199d400-5b1d-7c66-a0f3-91be7d2c4f08",
        "name": "mobilenetv2",
        "version": "1",
    },
    "timings": {"decode": 2.1, "network": 3.4, "total": 11.8},
    "map": f"{HOST}/api/v1/analyses/{ANALYSIS}/map/",
    "attempts": 1,
    "started_at": "2026-01-12T09:30:00.131000+01:00",
    "finished_at": "2026-01-12T09:30:00.143000+01:00",
}
UNCERTAIN_ANALYSIS = DONE_ANALYSIS | {
    "label": "not_normal",
    "probabilities": {"normal": 0.08, "lung_opacity": 0.41, "not_normal": 0.51},
    "certainty": "uncertain",
    "prediction_set": ["not_normal", "lung_opacity"],
}
UNLIKE_ANALYSIS = DONE_ANALYSIS | {"certainty": "unlike", "typical": False}
QUEUED_RADIOGRAPH = {
    "id": RADIOGRAPH,
    "status": "queued",
    "error": None,
    "warnings": [
        {
            "code": "view_unknown",
            "detail": "The file does not say from which side the radiograph was taken.",
            "facts": {},
        }
    ],
    "patient": PATIENT,
    "acquired_on": "2026-01-12",
    "received_at": "2026-01-12T09:30:00.118000+01:00",
    "header": {
        "sop_instance_uid": "2.25.329800735698586629295641978511506172918",
        "series_instance_uid": "2.25.201138416024516379420958316240925634771",
        "study_instance_uid": "2.25.117903124553720917462190847210946150283",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "CR",
        "view_position": "",
        "photometric_interpretation": "MONOCHROME2",
        "rows": 2500,
        "columns": 2048,
        "bits_stored": 12,
        "size": 10_242_118,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "analysis": QUEUED_ANALYSIS,
    "preview": None,
    "dicom": f"{HOST}/api/v1/radiographs/{RADIOGRAPH}/dicom/",
}
DONE_RADIOGRAPH = QUEUED_RADIOGRAPH | {
    "status": "done",
    "analysis": DONE_ANALYSIS,
    "preview": f"{HOST}/api/v1/radiographs/{RADIOGRAPH}/preview/",
}


def example(name: str, value: dict, *statuses: int) -> OpenApiExample:
    """An answer with one of ``statuses``."""
    return OpenApiExample(
        name, value=value, response_only=True, status_codes=[str(status) for status in statuses]
    )


RADIOGRAPH_SENT = [
    example("Queued", QUEUED_RADIOGRAPH, 202),
    example("Known already", DONE_RADIOGRAPH, 200),
]
RADIOGRAPH_READ = [
    example("Done", DONE_RADIOGRAPH, 200),
    example("Queued", QUEUED_RADIOGRAPH, 200),
]
ANALYSIS_READ = [
    example("Certain", DONE_ANALYSIS, 200),
    example("Uncertain", UNCERTAIN_ANALYSIS, 200),
    example("Not like what the model knows", UNLIKE_ANALYSIS, 200),
]
ANALYSIS_RETRIED = [example("Queued", QUEUED_ANALYSIS, 202)]
REVIEW_SENT = [
    OpenApiExample("Approve", value={"verdict": "approved"}, request_only=True),
    OpenApiExample(
        "Contest",
        value={
            "verdict": "contested",
            "label": "not_normal",
            "reason": "not_pneumonia",
            "comment": "An old scar.",
        },
        request_only=True,
    ),
]
