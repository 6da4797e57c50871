"""The files of a radiograph over REST."""

from __future__ import annotations

from django.db.models.fields.files import FieldFile
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from operations.services import access_record
from pneumoniapp.api.errors import NotReadyError
from pneumoniapp.api.views import ApiView
from pneumoniapp.scopes import Scope
from radiology.errors import StorageUnavailableError
from radiology.files import file_response
from radiology.models import Radiograph


def stored_file(file: FieldFile, content_type: str, filename: str = "") -> FileResponse:
    """The stored ``file`` as it is.

    Raises :class:`NotReadyError` when there is none yet, and
    :class:`StorageUnavailableError` when the storage does not give it.
    """
    if not file:
        raise NotReadyError
    try:
        return file_response(file, content_type=content_type, filename=filename)
    except FileNotFoundError as error:
        raise StorageUnavailableError from error


class RadiographFileView(ApiView):
    """One of the files of a radiograph that the doctor may see."""

    channel = "api"
    scopes = {"get": Scope.READ}

    def get_radiograph(self, request: Request) -> Radiograph:
        radiograph = get_object_or_404(
            Radiograph.objects.visible_to(request.user), pk=self.kwargs["pk"]
        )
        access_record(
            actor=request.user,
            action="read",
            obj=radiograph,
            channel=self.channel,
            request=request,
        )
        return radiograph


class PreviewView(RadiographFileView):
    """The rendered radiograph."""

    problems = {"get": ("not_ready", "storage_unavailable")}

    @extend_schema(
        operation_id="radiographs_preview",
        tags=["radiographs"],
        summary="The rendered radiograph",
        description="A JPEG, once an analysis has run.",
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk) -> FileResponse:
        return stored_file(self.get_radiograph(request).preview, "image/jpeg")


class DicomView(RadiographFileView):
    """The stored DICOM file."""

    channel = "export"
    problems = {"get": ("storage_unavailable",)}

    @extend_schema(
        operation_id="radiographs_dicom",
        tags=["radiographs"],
        summary="The stored DICOM file",
        description="Without the patient's identity; the UIDs are those of the file received.",
        responses={(200, "application/dicom"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk) -> FileResponse:
        radiograph = self.get_radiograph(request)
        return stored_file(radiograph.file, "application/dicom", f"{radiograph.pk}.dcm")
