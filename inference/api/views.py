"""Analyses, reviews and model versions over REST; radiographs are in ``radiographs.py``."""

from __future__ import annotations

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inference.models import Analysis
from inference.selectors import (
    analyses_list,
    analysis_get,
    analysis_reviews,
    judged_analysis_get,
    model_versions_list,
    treated_analysis_get,
)
from inference.services import analysis_requeue, review_before_reading, review_create
from operations.services import access_record, list_read_record
from pneumoniapp.api.views import ApiViewSet
from pneumoniapp.scopes import Scope
from radiology.api.views import stored_file

from .examples import ANALYSIS_READ, ANALYSIS_RETRIED, REVIEW_SENT
from .filters import AnalysisFilters, patient_of, whose_of
from .review_serializers import ReviewInputSerializer, ReviewSerializer
from .serializers import AnalysisSerializer, ModelVersionSerializer


@extend_schema(tags=["analyses"])
class AnalysisViewSet(ApiViewSet):
    """Every run of a model version on one of the doctor's radiographs."""

    serializer_class = AnalysisSerializer
    filterset_class = AnalysisFilters
    list_actions = ("list", "reviews")
    scopes = dict.fromkeys(("list", "retrieve", "map", "reviews"), Scope.READ) | {
        "retry": Scope.UPLOAD,
        "review": Scope.REVIEW,
    }
    problems = {
        "list": ("not_found",),
        "map": ("not_ready", "storage_unavailable"),
        "retry": ("analysis_not_retriable", "treatment_ended"),
        "review": (
            "analysis_not_done",
            "reading_withheld",
            "reading_shown",
            "review_label_missing",
            "review_label_mismatch",
            "review_reason_missing",
            "review_reason_unexpected",
            "review_reason_mismatch",
            "review_comment_missing",
            "review_region_invalid",
            "review_region_unexpected",
            "treatment_ended",
        ),
    }

    def get_queryset(self):
        return analyses_list(self.request.user, whose_of(self.request, "radiograph"))

    def get_analysis(self, get=analysis_get) -> Analysis:
        try:
            return get(self.request.user, self.kwargs["pk"])
        except Analysis.DoesNotExist as error:
            raise Http404 from error

    @extend_schema(
        summary="List analyses", description="The newest first, those that were replaced included."
    )
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        list_read_record(
            object_type="inference.analysis",
            request=request,
            count=len(page),
            patient=patient_of(request, "radiograph", page),
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(summary="One analysis", examples=ANALYSIS_READ)
    def retrieve(self, request: Request, pk) -> Response:
        analysis = self.get_analysis()
        access_record(actor=request.user, action="read", obj=analysis, request=request)
        return Response(self.get_serializer(analysis).data)

    @extend_schema(
        summary="The class activation map",
        description="A PNG with transparency, to be laid over the preview: what the model "
        "looked at for the class that it gave.",
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    @action(detail=True)
    def map(self, request: Request, pk) -> Response:
        analysis = self.get_analysis()
        access_record(actor=request.user, action="read", obj=analysis, request=request)
        return stored_file(analysis.map, "image/png")

    @extend_schema(
        summary="Try a failed analysis again",
        request=None,
        responses={202: AnalysisSerializer},
        examples=ANALYSIS_RETRIED,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk) -> Response:
        analysis = analysis_requeue(
            analysis=self.get_analysis(treated_analysis_get),
            requested_by=request.user,
            request=request,
        )
        return Response(self.get_serializer(analysis).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="analyses_reviews_list",
        summary="The reviews of an analysis",
        description="The newest first. None before you have judged it yourself.",
        responses={200: ReviewSerializer(many=True)},
    )
    @action(detail=True, serializer_class=ReviewSerializer, filterset_class=None)
    def reviews(self, request: Request, pk) -> Response:
        analysis = self.get_analysis()
        page = self.paginate_queryset(analysis_reviews(analysis, request.user))
        access_record(actor=request.user, action="read", obj=analysis, request=request)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="analyses_reviews_create",
        summary="Approve or contest an analysis",
        description="To approve is to give the analysis's own class, or none; to contest, "
        "another one and a reason. Of a reading that is `withheld` you give your own class alone, "
        "and then it is shown. Earlier reviews are kept; the newest counts.",
        request=ReviewInputSerializer,
        responses={201: ReviewSerializer},
        examples=REVIEW_SENT,
    )
    @reviews.mapping.post
    def review(self, request: Request, pk) -> Response:
        analysis = self.get_analysis(judged_analysis_get)
        values = ReviewInputSerializer(data=request.data)
        values.is_valid(raise_exception=True)
        record = review_create if "verdict" in values.validated_data else review_before_reading
        review = record(
            analysis=analysis, doctor=request.user, request=request, **values.validated_data
        )
        answer = ReviewSerializer(review, context=self.get_serializer_context())
        return Response(answer.data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["models"])
class ModelVersionViewSet(ApiViewSet):
    """The networks that read or have read radiographs. Administrators manage them."""

    serializer_class = ModelVersionSerializer
    scopes = {"list": Scope.READ, "retrieve": Scope.READ}

    def get_queryset(self):
        return model_versions_list()

    @extend_schema(summary="List model versions", description="The newest first.")
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(summary="One model version")
    def retrieve(self, request: Request, pk) -> Response:
        version = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(self.get_serializer(version).data)
