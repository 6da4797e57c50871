"""The files of a radiograph: shown to those who may see the patient, recorded, never public."""

from __future__ import annotations

import uuid

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import practising_doctor_required
from operations.services import access_record

from .depth import depth_request
from .dicom import DEIDENTIFICATION_VERSION, DEPTH_VERSION, RENDER_VERSION
from .files import versioned_response
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
    response = _file_response(
        request, radiograph, radiograph.file, version, "application/dicom", channel="export"
    )
    response["Content-Disposition"] = f'attachment; filename="{radiograph.pk}.dcm"'
    return response


@require_safe
@practising_doctor_required
def radiograph_depth(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All grey values (``radiology.dicom.depth``), compressed as they are stored."""
    radiograph = _radiograph_or_404(request, pk)
    version = f"{radiograph.pixel_sha256[:32]}-depth-{DEPTH_VERSION}"
    response = _file_response(
        request, radiograph, radiograph.depth, version, "application/octet-stream"
    )
    if response.status_code == 200:
        response["Content-Encoding"] = "gzip"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@practising_doctor_required
def radiograph_depth_state(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """``{"ready": bool}``: whether the full depth is there. POST asks the worker for it."""
    radiograph = _radiograph_or_404(request, pk)
    if request.method == "POST":
        depth_request(radiograph=radiograph)
    status = 202 if request.method == "POST" and not radiograph.depth else 200
    return JsonResponse({"ready": bool(radiograph.depth)}, status=status)


def _radiograph_or_404(request: HttpRequest, pk: uuid.UUID) -> Radiograph:
    try:
        return radiograph_get(request.user, pk)
    except Radiograph.DoesNotExist as error:
        raise Http404 from error


def _file_response(
    request: HttpRequest,
    radiograph: Radiograph,
    file: FieldFile,
    version: str,
    kind: str,
    *,
    channel: str = "media",
) -> HttpResponse:
    """``file`` of the radiograph, and the record that it was looked at."""
    if not file:
        raise Http404
    try:
        response = versioned_response(request, file, version=version, content_type=kind)
    except FileNotFoundError as error:
        raise Http404 from error
    access_record(
        actor=request.user, action="read", obj=radiograph, channel=channel, request=request
    )
    return response
