"""Radiographs with their readings over REST: send one, wait for it, list them."""

from __future__ import annotations

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiRequest, extend_schema
from rest_framework import status
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from inference.models import Analysis
from inference.selectors import known_reading_get, reading_get, readings_list
from inference.services import Reading, reading_submit
from inference.waiting import wait_until_finished
from operations.services import access_record, list_read_record
from patients.services import patient_get_or_create, patient_known
from pneumoniapp.api.schema import location_header
from pneumoniapp.api.serializers import represent
from pneumoniapp.api.views import ApiViewSet
from pneumoniapp.scopes import Scope
from radiology.api.parsers import UploadParser
from radiology.errors import RadiographError
from radiology.intake import examine
from radiology.services import files_removed_on_failure

from .examples import RADIOGRAPH_READ, RADIOGRAPH_SENT
from .filters import RadiographFilters, patient_of, whose_of
from .serializers import RadiographSerializer, RadiographUploadSerializer

LONGEST_WAIT = 10

WAIT = OpenApiParameter(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 0},
    description="Answer as soon as the analysis is done or failed, or after so many seconds.",
)
UPLOAD = OpenApiRequest(
    RadiographUploadSerializer, encoding={"file": {"contentType": "application/dicom"}}
)


@extend_schema(tags=["radiographs"])
class RadiographViewSet(ApiViewSet):
    """The doctor's radiographs, each with its newest analysis."""

    serializer_class = RadiographSerializer
    filterset_class = RadiographFilters
    parser_classes = [UploadParser]
    cursor_field = "radiograph_id"
    scopes = {"list": Scope.READ, "retrieve": Scope.READ, "create": Scope.UPLOAD}
    query_parameters = dict.fromkeys(("create", "retrieve"), frozenset({"wait"}))
    problems = {
        "list": ("not_found",),
        "create": (
            "not_found",
            "patient_conflict",
            "birth_date_in_future",
            "birth_date_too_early",
            "treatment_ended",
            *(error.code for error in RadiographError.__subclasses__()),
        ),
    }

    def get_queryset(self):
        return readings_list(self.request.user, whose_of(self.request, "patient"))

    @extend_schema(
        summary="List radiographs",
        description="Those received last come first, each with its newest analysis: of your own "
        "patients, with `whose=practice` of those that your practice shares, with `patient` of "
        "that one.",
    )
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        list_read_record(
            object_type="radiology.radiograph",
            request=request,
            count=len(page),
            patient=patient_of(request, "patient", page),
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        summary="Send a radiograph",
        description="The file is checked and stored without the patient's identity, and its "
        "analysis is queued. With `?wait=10` the answer is `201` and holds the reading, as "
        "soon as it is done or has failed. Without, or when the time is over first, it is "
        "`202`: ask at the address in `Location`, with `?wait=10`, for the result. A file "
        "that you have sent before is not stored twice: `200`, with what is known of it. "
        "Nothing is kept of a request that is refused.",
        request={"multipart/form-data": UPLOAD},
        responses=dict.fromkeys((201, 202, 200), RadiographSerializer),
        parameters=[WAIT, location_header(200, 201, 202)],
        examples=RADIOGRAPH_SENT,
    )
    def create(self, request: Request) -> Response:
        seconds = self._wait_seconds(request)
        values = RadiographUploadSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        values.is_valid(raise_exception=True)
        reading = self._submit(request, **values.validated_data)
        address = reverse("api:radiograph-detail", [reading.radiograph.pk], request=request)
        analysis = reading.analysis
        if seconds and not analysis.is_finished:
            wait_until_finished(analysis.pk, seconds)
            analysis = reading_get(request.user, reading.radiograph.pk)
        code = status.HTTP_201_CREATED if analysis.is_finished else status.HTTP_202_ACCEPTED
        if not reading.created:
            code = status.HTTP_200_OK
            access_record(
                actor=request.user, action="read", obj=reading.radiograph, request=request
            )
        return Response(
            represent(RadiographSerializer, analysis, request=request),
            status=code,
            headers={"Location": address},
        )

    @staticmethod
    def _submit(
        request: Request, *, file, acquired_on=None, patient=None, confirm_mismatch=False, **person
    ) -> Reading:
        """Patient, radiograph and analysis, or none of them."""
        incoming = examine(file)
        if patient is None:
            who = {
                "owner": request.user,
                "identifier": person["patient_identifier"],
                "sex": person["sex"],
                "birth_date": person["birth_date"],
            }
            patient = patient_known(**who)
        arguments = {
            "uploaded_by": request.user,
            "file": incoming,
            "acquired_on": acquired_on,
            "confirm_mismatch": confirm_mismatch,
            "request": request,
        }
        if patient is not None:
            return reading_submit(patient=patient, **arguments)
        with files_removed_on_failure(), transaction.atomic():
            patient = patient_get_or_create(**who, request=request)
            return reading_submit(patient=patient, **arguments)

    @extend_schema(
        summary="One radiograph with its newest analysis",
        description="`status` says how far it is: `queued`, `running`, `done` or `failed`.",
        parameters=[WAIT],
        examples=RADIOGRAPH_READ,
    )
    def retrieve(self, request: Request, pk) -> Response:
        seconds = self._wait_seconds(request)
        analysis = self._reading(request, pk)
        if seconds and not analysis.is_finished:
            wait_until_finished(analysis.pk, seconds)
            analysis = self._reading(request, pk)
        access_record(actor=request.user, action="read", obj=analysis.radiograph, request=request)
        return Response(represent(RadiographSerializer, analysis, request=request))

    @staticmethod
    def _reading(request: Request, pk) -> Analysis:
        try:
            return known_reading_get(request.user, pk)
        except Analysis.DoesNotExist as error:
            raise Http404 from error

    @staticmethod
    def _wait_seconds(request: Request) -> int:
        text = request.query_params.get("wait", "0")
        if text not in map(str, range(LONGEST_WAIT + 1)):
            message = _("Give a whole number from 0 to %(limit)s.") % {"limit": LONGEST_WAIT}
            raise ValidationError({"wait": [ErrorDetail(message, "invalid")]})
        return int(text)
