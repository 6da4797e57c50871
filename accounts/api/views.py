"""Tokens and the account behind one, over REST."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.credentials import credentials_check
from accounts.tokens.services import token_create, token_revoke
from pneumoniapp.api.throttles import AnonymousThrottle, TokenThrottle
from pneumoniapp.api.views import ApiView
from pneumoniapp.scopes import ANY

from .permissions import HasToken
from .serializers import MeSerializer, TokenRequestSerializer, TokenSerializer

CREDENTIALS = OpenApiExample(
    "A doctor",
    value={"email": "docteur.demo@example.org", "password": "demonstration"},
    request_only=True,
)
# What a token shall be; the rest of the request says whose.
SHALL = ("name", "scopes", "days", "networks")


class TokenView(ApiView):
    """Gives tokens to doctors who may practise."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AnonymousThrottle, TokenThrottle]
    problems = {
        "post": (
            "invalid_credentials",
            "second_factor_required",
            "second_factor_wrong",
            "email_not_confirmed",
            "account_pending",
            "account_suspended",
            "account_inactive",
            "not_a_doctor",
            "too_many_tokens",
            "too_many_attempts",
        )
    }

    @extend_schema(
        operation_id="auth_token",
        tags=["account"],
        summary="Get a token",
        description="For a doctor with a confirmed e-mail address who may practise. An unknown "
        "address and a wrong password are answered alike, and failed attempts count "
        "together with those of the login page. Ask for no more scopes than the program needs. "
        "Keep the token: each call makes one more, and its owner is told by mail.",
        request=TokenRequestSerializer,
        responses={200: TokenSerializer},
        examples=[CREDENTIALS],
    )
    def post(self, request: Request) -> Response:
        asked = TokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        shall = {name: values.pop(name) for name in SHALL if name in values}
        doctor = credentials_check(request=request._request, **values)
        token, text = token_create(owner=doctor, request=request._request, **shall)
        made = {"token": text, "expiry": token.expires_at, "scopes": token.scopes}
        return Response(TokenSerializer(made).data)


class LogoutView(ApiView):
    """Ends the token that the request carries."""

    scopes = {"post": ANY}
    permission_classes = [HasToken]

    @extend_schema(
        operation_id="auth_logout",
        tags=["account"],
        summary="Revoke this token",
        request=None,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        token_revoke(token=request.auth, by=request.user, request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(ApiView):
    """The account behind the token."""

    scopes = {"get": ANY}
    permission_classes = [HasToken]

    @extend_schema(
        operation_id="me", tags=["account"], summary="Your account", responses={200: MeSerializer}
    )
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(request.user, context={"request": request}).data)
