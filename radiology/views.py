"""The files of a radiograph: shown to those who may see the patient, recorded, never public."""

from __future__ import annotations

import uuid

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from accounts.access import practising_doctor_required
from operations.services import access_record

from .dicom import DEIDENTIFICATION_VERSION, RENDER_VERSION
from .files import file_response
from .models import Radiograph
from .selectors import radiograph_get


@require_safe
@practising_doctor_required
def radiograph_preview(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The rendered radiograph, a JPEG; not found until an analysis has run."""
    radiograph = _radiograph_or_404(request, pk)
    version = f"{radiograph.pixel_sha256[:32]}-{RENDER_VERSION}"
    return _file_response(request, radiograph, radiograph.preview, version, "image/jpeg")


@require_safe
@practising_doctor_required
def radiograph_dicom(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The stored, de-identified DICOM file, to be saved under the radiograph's own key."""
    radiograph = _radiograph_or_404(request, pk)
    version = f"{radiograph.sha256[:32]}-{DEIDENTIFICATION_VERSION}"
    response = _file_response(request, radiograph, radiograph.file, version, "application/dicom")
    response["Content-Disposition"] = f'attachment; filename="{radiograph.pk}.dcm"'
    return response


def _radiograph_or_404(request: HttpRequest, pk: uuid.UUID) -> Radiograph:
    try:
        return radiograph_get(request.user, pk)
    except Radiograph.DoesNotExist as error:
        raise Http404 from error


def _file_response(
    request: HttpRequest, radiograph: Radiograph, file: FieldFile, version: str, kind: str
) -> HttpResponse:
    """``file``, or 304 when the browser has this ``version``; kept by that browser alone.

    The browser asks each time: who may see the radiograph is asked each time.
    """
    if not file:
        raise Http404
    etag = f'"{version}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        try:
            response = file_response(file, content_type=kind)
        except FileNotFoundError as error:
            raise Http404 from error
    access_record(actor=request.user, action="read", obj=radiograph, request=request)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response
