"""The description of the API for people and programs."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from pneumoniapp.errors import REGISTRY, RetriableError

from .errors import NotFoundError
from .schema import describe
from .throttles import AnonymousThrottle
from .views import ApiView


@cache
def schema() -> dict:
    """The OpenAPI document; it does not change while the process lives."""
    with translation.override("en"):
        return SchemaGenerator().get_schema(request=None, public=True)


@method_decorator(csrf_exempt, "dispatch")
class SchemaView(View):
    """OpenAPI as JSON, in English whatever the request's language."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(
            schema(),
            content_type=OpenApiJsonRenderer.media_type,
            headers={"Content-Disposition": 'inline; filename="pneumoniapp.json"'},
        )


@method_decorator(csrf_exempt, "dispatch")
class RootView(View):
    """Where a program may begin: addresses by name, as JSON, for anybody."""

    routes: ClassVar[dict[str, str]] = {
        "patients": "patient-list",
        "radiographs": "radiograph-list",
        "analyses": "analysis-list",
        "models": "model-list",
        "me": "me",
        "token": "token",
        "problems": "problems",
        "schema": "schema",
        "docs": "docs",
    }

    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(
            {
                name: request.build_absolute_uri(reverse(f"api:{route}"))
                for name, route in self.routes.items()
            }
        )


@method_decorator(csrf_exempt, "dispatch")
class DocsView(View):
    """Swagger UI, from our own static files."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "api/docs.html")


class ProblemTypeSerializer(serializers.Serializer):
    """What a code means."""

    code = serializers.CharField()
    status = serializers.IntegerField(help_text="The HTTP status that comes with it.")
    title = serializers.CharField(help_text="The HTTP status in words.")
    detail = serializers.CharField(help_text="Its sentence; an ellipsis stands for a fact.")
    retriable = serializers.BooleanField(help_text="Whether the same request may succeed later.")

    def to_representation(self, error) -> dict:
        known = describe(error)
        return {
            "code": known["code"],
            "status": known["status"],
            "title": known["title"],
            "detail": known["detail"],
            "retriable": issubclass(error, RetriableError) or known["status"] == 429,
        }


class ProblemsView(ApiView):
    """Every code that an error may carry."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AnonymousThrottle]

    @extend_schema(
        operation_id="problems_list",
        tags=["problems"],
        summary="Every error code",
        description="In the order of the alphabet; not in pages.",
        responses={200: ProblemTypeSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        known = [REGISTRY[code] for code in sorted(REGISTRY)]
        return Response(ProblemTypeSerializer(known, many=True).data)


class ProblemView(ApiView):
    """One code: where the ``type`` of a problem points to."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AnonymousThrottle]

    @extend_schema(
        operation_id="problems_retrieve",
        tags=["problems"],
        summary="What an error code means",
        responses={200: ProblemTypeSerializer},
    )
    def get(self, request: Request, code: str) -> Response:
        if code not in REGISTRY:
            raise NotFoundError
        return Response(ProblemTypeSerializer(REGISTRY[code]).data)
