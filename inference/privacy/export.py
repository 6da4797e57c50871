"""A patient's data, to be handed out (GDPR, articles 15 and 20)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from operations.models import AccessEvent
from operations.services import access_record
from patients.models import Patient

from .archive import zip_stream
from .document import description, doctor_document, plain, tree_document

FORMAT = "pneumoniapp-patient"
VERSION = 1
LOOKED_AT = {
    "at": "when [DateTimeField]",
    "action": "what was done (read, create, update, delete, refused)",
    "object": "kind and key of the row",
    "by": "who [person], or null: the system itself",
    "channel": "by which door (page, api, media, export, admin, command, task)",
    "reason": "why, as a code, or empty",
}


def patient_export(*, patient: Patient, by, request=None) -> Iterator[bytes]:
    """The patient's data as a ZIP archive, piece by piece; recorded before the first.

    ``patient.json`` holds every row about the patient and who touched it, ``format.json``
    what each key means, ``radiographs/`` and ``analyses/`` the stored files, ``files.json``
    their checksums. For a doctor who reads first, readings that they have not judged are
    withheld. Every row is read now, only files while the stream runs.
    """
    access_record(
        actor=by,
        action="read",
        obj=patient,
        channel="export",
        reason="patient_export",
        request=request,
    )
    reader = None if by is None or by.is_staff else by
    rows, files = tree_document(patient, reader=reader)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": timezone.now().isoformat(),
        "patient": rows,
        "accesses": list(_accesses(patient)),
    }
    return zip_stream({"patient.json": document, "format.json": patient_format()}, files)


def patient_format() -> dict[str, Any]:
    """What ``patient.json`` holds, key by key."""
    return {
        "format": f"always {FORMAT}",
        "version": f"{VERSION}; another number means that keys changed their meaning",
        "made_at": "when [DateTimeField]; times are ISO 8601 with their offset, days YYYY-MM-DD",
        "person": "{'key', 'role': 'doctor' or 'administrator', 'name': empty for the latter}",
        "patient": description(Patient),
        "accesses": [LOOKED_AT],
    }


def _accesses(patient: Patient) -> Iterator[dict[str, Any]]:
    """Who touched the patient's data, the latest last."""
    events = AccessEvent.objects.filter(patient=str(patient.pk)).select_related("actor")
    for event in events.order_by("pk").iterator():
        yield {
            "at": plain(event.at),
            "action": event.action,
            "object": f"{event.object_type} {event.object_id}",
            "by": doctor_document(event.actor) if event.actor else None,
            "channel": event.channel,
            "reason": event.reason,
        }
