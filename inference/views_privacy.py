"""A patient's data, given out and erased, for the doctor whose patient it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_POST

from accounts.access import practising_doctor_required
from patients.models import Patient
from patients.selectors import patient_get

from .privacy.export import patient_export


@require_POST
@practising_doctor_required
def patient_export_zip(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All of a patient's data as a ZIP archive, sent while it is made."""
    patient = patient_or_404(request, pk)
    return zip_answer(
        patient_export(patient=patient, by=request.user, request=request), f"patient-{pk}.zip"
    )


def patient_or_404(request: HttpRequest, pk: uuid.UUID) -> Patient:
    try:
        return patient_get(request.user, pk)
    except Patient.DoesNotExist as error:
        raise Http404 from error


def zip_answer(pieces: Iterator[bytes], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
