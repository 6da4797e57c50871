"""Who looked at a patient: the record of access, for the patient's doctor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.access import practising_doctor_required
from operations.audit.wording import actor_text, object_text, reason_text
from operations.models import AccessEvent
from operations.selectors import patient_accesses
from operations.services import access_record
from pneumoniapp.paging import keyset_page

from .views import patient_or_404

EMERGENCY = "break_glass:"


@dataclass(frozen=True)
class Access:
    """One event in words."""

    event: AccessEvent
    who: str
    is_me: bool
    what: str
    why: str
    emergency: str  # the key of the emergency access that is why


@require_GET
@never_cache
@practising_doctor_required
def patient_access_list(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Who read or changed something of the patient, when, through which door, and why."""
    patient = patient_or_404(request, pk)
    access_record(actor=request.user, action="read", obj=patient, request=request)
    page = keyset_page(
        patient_accesses(patient), order="-pk", params=request.GET, size=50, key_from=_number
    )
    rows = [
        Access(
            event=event,
            who=actor_text(event),
            is_me=event.actor_id == request.user.pk,
            what=object_text(event.object_type),
            why=reason_text(event.reason),
            emergency=event.reason.removeprefix(EMERGENCY) if EMERGENCY in event.reason else "",
        )
        for event in page
    ]
    return render(
        request, "patients/accesses.html", {"patient": patient, "page": page, "rows": rows}
    )


def _number(text: str) -> int:
    """A key as the database keeps it: no more than 18 digits."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(text)
    return int(text)
