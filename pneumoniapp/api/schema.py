"""The description of the API (OpenAPI), where it says more than DRF knows by itself."""

from __future__ import annotations

import re

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from pneumoniapp.errors import REGISTRY, CodedError
from pneumoniapp.scopes import Scope

from . import errors
from .problems import MEDIA_TYPE, problem
from .serializers import StrictSerializer


class FieldErrorSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable: `required`, `invalid`, `unknown`, ...")
    detail = serializers.CharField(help_text="A sentence in the language of the request.")


class ProblemSerializer(serializers.Serializer):
    """Problem details (RFC 9457). Programs decide by `code`; people read `detail`."""

    type = serializers.CharField(help_text="Address of this problem's description.")
    title = serializers.CharField(help_text="The HTTP status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence in the language of the request.")
    code = serializers.CharField(help_text="Stable, never changes its meaning.")
    errors = serializers.DictField(
        child=FieldErrorSerializer(many=True),
        required=False,
        help_text="With the codes `invalid` and `patient_mismatch`: what is wrong, by field or "
        "parameter.",
    )


def location_header(*statuses: int) -> OpenApiParameter:
    """The ``Location`` of answers with one of ``statuses``."""
    return OpenApiParameter(
        "Location",
        OpenApiTypes.URI,
        OpenApiParameter.HEADER,
        description="Where the object is.",
        response=list(statuses),
    )


def describe(error: type[CodedError]) -> dict:
    """The problem of ``error`` with an ellipsis for each fact of one occurrence."""
    sentence = re.sub(r"%\(\w+\)[a-z]", "…", str(error.sentence)).replace("%%", "%")
    return problem(error()) | {"detail": sentence}


def _answer(known: list[type[CodedError]]) -> OpenApiResponse:
    """One status with all the codes that it may carry."""
    return OpenApiResponse(
        response=ProblemSerializer,
        description=" or ".join(f"`{error.code}`" for error in known),
        examples=[_example(error) for error in known],
    )


def _example(error: type[CodedError]) -> OpenApiExample:
    value = describe(error)
    if error is errors.InvalidError:
        detail = "This field is required."
        value["errors"] = {"birth_date": [{"code": "required", "detail": detail}]}
    return OpenApiExample(
        error.code,
        value=value,
        response_only=True,
        media_type=MEDIA_TYPE,
        status_codes=[str(error.status)],
    )


class ApiSchema(AutoSchema):
    """Describes the scope and the errors of each operation.

    OpenAPI 3.0 has scopes for OAuth alone, so the scope stands in the description and, for
    programs, in ``x-scope``.

    Those that every request of the kind may meet are worked out; a view adds its own as
    ``problems = {action_or_method: (code, ...)}``.
    """

    def get_operation(self, *args, **kwargs):
        operation = super().get_operation(*args, **kwargs)
        if operation and (scope := self._scope()):
            told = operation.get("description", "")
            operation["description"] = f"{told}\n\nNeeds the scope `{scope}`.".strip()
            operation["x-scope"] = str(scope)
        return operation

    def _scope(self) -> str | None:
        return self.view.scope_of(getattr(self.view, "action", None) or self.method.lower())

    def _get_response_bodies(self, direction="response"):
        bodies = super()._get_response_bodies(direction)
        by_status: dict[int, list] = {}
        for code in dict.fromkeys(self._general_codes() + self._own_codes()):
            by_status.setdefault(REGISTRY[code].status, []).append(REGISTRY[code])
        for status, known in sorted(by_status.items()):
            bodies[str(status)] = self._get_response_for_code(
                _answer(known), str(status), [MEDIA_TYPE], direction
            )
        return bodies

    def _map_basic_serializer(self, serializer, direction):
        schema = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, StrictSerializer):
            schema = schema | {"additionalProperties": False} | serializer.schema_rules
        return schema

    def _get_request_for_media_type(self, serializer, direction="request"):
        """A body is needed as well where rules alone, and no single field, demand something."""
        schema, required = super()._get_request_for_media_type(serializer, direction)
        return schema, required or bool(getattr(serializer, "schema_rules", None))

    def _own_codes(self) -> list[str]:
        action = getattr(self.view, "action", None) or self.method.lower()
        return list(getattr(self.view, "problems", {}).get(action, ()))

    def _general_codes(self) -> list[str]:
        codes = ["invalid", "malformed_request"]
        if getattr(self.view, "action", None) in getattr(self.view, "list_actions", ()):
            codes.append("invalid_cursor")
        if self.view.get_authenticators():
            codes += ["not_authenticated", "invalid_token", "token_address", "token_maker"]
            codes += ["token_scope"] if self._scope() else []
        for permission in self.view.get_permissions():
            codes += getattr(permission, "codes", ())
        if "{" in self.path:
            codes.append("not_found")
        if self.method in ("POST", "PUT", "PATCH") and self.get_request_serializer() is not None:
            codes += ["request_too_large", "unsupported_media_type"]
        if self.view.get_throttles():
            codes.append("too_many_requests")
        return codes


class ApiTokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.ApiTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema) -> dict:
        scopes = "\n".join(f"- {scope.label}" for scope in Scope)
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <token>`. A token does no more than its scopes say:\n\n"
            f"{scopes}\n\nEach operation says which one it needs (`x-scope`); without it the "
            "answer is `403`, `token_scope`.",
        }
