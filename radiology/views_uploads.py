"""The door through which a file comes in piece by piece; see :mod:`radiology.uploads`."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from pneumoniapp.errors import CodedError

from .models import Upload
from .upload_errors import UploadOffsetError, UploadPieceError, UploadSizeError
from .uploads import PIECE_BYTES, upload_append, upload_create, upload_delete


@require_POST
@practising_doctor_required
def uploads(request: HttpRequest) -> HttpResponse:
    """Begin an upload of ``size`` bytes: ``201``, ``{"id", "url", "piece_bytes"}``."""
    size = request.POST.get("size", "")
    try:
        if not (size.isascii() and size.isdigit() and len(size) < 16):
            raise UploadSizeError
        upload = upload_create(owner=request.user, size=int(size))
    except CodedError as error:
        return _refused(error)
    url = reverse("radiology:upload", args=[upload.pk])
    answer = {"id": str(upload.pk), "url": url, "piece_bytes": PIECE_BYTES}
    return JsonResponse(answer, status=201)


@require_http_methods(["HEAD", "PATCH", "DELETE"])
@practising_doctor_required
def upload(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """HEAD: how much has come in (``Upload-Offset``). PATCH: the piece that begins at the
    ``Upload-Offset`` of the request. DELETE: forget it."""
    try:
        found = Upload.objects.visible_to(request.user).get(pk=pk)
    except Upload.DoesNotExist as error:
        raise Http404 from error
    if request.method == "DELETE":
        upload_delete(upload=found)
        return HttpResponse(status=204)
    if request.method == "PATCH":
        try:
            upload_append(upload=found, offset=_offset(request), data=_piece(request))
        except CodedError as error:
            return _refused(error)
    headers = {"Upload-Offset": str(found.received), "Upload-Length": str(found.size)}
    return HttpResponse(status=204, headers=headers)


def _offset(request: HttpRequest) -> int:
    value = request.headers.get("Upload-Offset", "")
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise UploadOffsetError
    return int(value)


def _piece(request: HttpRequest) -> bytes:
    """The body, whole; a connection that is lost in the midst of it has brought nothing."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and int(length) <= PIECE_BYTES):
        raise UploadPieceError(bytes=PIECE_BYTES)
    try:
        data = request.read(int(length))
    except OSError as error:
        raise UploadPieceError(bytes=PIECE_BYTES) from error
    if len(data) != int(length):
        raise UploadPieceError(bytes=PIECE_BYTES)
    return data


def _refused(error: CodedError) -> JsonResponse:
    answer = {"error": {"code": error.code, "sentence": str(error)}}
    return JsonResponse(answer, status=error.status)
