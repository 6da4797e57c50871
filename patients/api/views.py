"""Patients over REST."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from operations.services import access_record, list_read_record
from patients.models import Patient
from patients.selectors import patients_by_identifier, patients_list
from patients.services import patient_create, patient_update
from pneumoniapp.api.schema import location_header
from pneumoniapp.api.views import ApiViewSet
from pneumoniapp.scopes import Scope

from .filters import PatientFilters
from .serializers import (
    PatientInputSerializer,
    PatientSearchResultSerializer,
    PatientSearchSerializer,
    PatientSerializer,
)

REFUSED = ("patient_exists", "birth_date_in_future", "birth_date_too_early")
REFUSED_UPDATE = (
    *REFUSED,
    "birth_date_after_radiograph",
    "identifier_of_owner",
    "treatment_ended",
)


@extend_schema(tags=["patients"])
class PatientViewSet(ApiViewSet):
    """The doctor's patients. None is ever deleted here."""

    serializer_class = PatientSerializer
    filterset_class = PatientFilters
    scopes = dict.fromkeys(("list", "retrieve", "search"), Scope.READ) | dict.fromkeys(
        ("create", "update", "partial_update"), Scope.UPLOAD
    )
    problems = {"create": REFUSED, "update": REFUSED_UPDATE, "partial_update": REFUSED_UPDATE}

    def get_queryset(self):
        return patients_list(self.request.user)

    def get_patient(self, patients=None) -> Patient:
        rows = Patient.objects.visible_to(self.request.user) if patients is None else patients
        return get_object_or_404(rows, pk=self.kwargs["pk"])

    @extend_schema(
        summary="List patients",
        description="Your patients and those that your practice shares, the newest first. To "
        "find one by identifier: `POST /api/v1/patients/search/`.",
    )
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        list_read_record(object_type="patients.patient", request=request, count=len(page))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        summary="Record a patient",
        request=PatientInputSerializer,
        responses={201: PatientSerializer},
        parameters=[location_header(201)],
    )
    def create(self, request: Request) -> Response:
        values = PatientInputSerializer(data=request.data)
        values.is_valid(raise_exception=True)
        patient = patient_create(owner=request.user, request=request, **values.validated_data)
        return Response(
            self.get_serializer(patient).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": reverse("api:patient-detail", [patient.pk], request=request)},
        )

    @extend_schema(summary="One patient")
    def retrieve(self, request: Request, pk) -> Response:
        patient = self.get_patient()
        access_record(actor=request.user, action="read", obj=patient, request=request)
        return Response(self.get_serializer(patient).data)

    @extend_schema(
        summary="Correct a patient",
        request=PatientInputSerializer,
        responses={200: PatientSerializer},
    )
    def update(self, request: Request, pk) -> Response:
        return self._update(request, partial=False)

    @extend_schema(
        summary="Correct some values of a patient",
        request=PatientInputSerializer,
        responses={200: PatientSerializer},
    )
    def partial_update(self, request: Request, pk) -> Response:
        return self._update(request, partial=True)

    def _update(self, request: Request, *, partial: bool) -> Response:
        patient = self.get_patient(Patient.objects.treated_by(request.user))
        values = PatientInputSerializer(data=request.data, partial=partial)
        values.is_valid(raise_exception=True)
        known = {name: getattr(patient, name) for name in values.fields}
        patient = patient_update(
            patient=patient, by=request.user, request=request, **known | values.validated_data
        )
        return Response(self.get_serializer(patient).data)

    @extend_schema(
        summary="Find a patient by identifier",
        description="By the whole identifier, in upper or lower case: `results` has one patient "
        "or none; in a practice, one of each doctor at most. A POST, because addresses end up in "
        "logs and identifiers must not.",
        request=PatientSearchSerializer,
        responses={200: PatientSearchResultSerializer},
    )
    @action(detail=False, methods=["post"])
    def search(self, request: Request) -> Response:
        asked = PatientSearchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = patients_by_identifier(request.user, asked.validated_data["identifier"])
        if not found:
            list_read_record(object_type="patients.patient", request=request, count=0)
        for patient in found:
            access_record(actor=request.user, action="read", obj=patient, request=request)
        context = self.get_serializer_context()
        answer = PatientSearchResultSerializer({"results": found}, context=context)
        return Response(answer.data)
