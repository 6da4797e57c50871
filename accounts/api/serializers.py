"""Accounts and tokens as programs see them."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Doctor
from accounts.tokens.networks import LONGEST_NETWORK, MOST_NETWORKS
from pneumoniapp.api.serializers import (
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)
from pneumoniapp.scopes import Scope


class CredentialsSerializer(StrictSerializer):
    """What a doctor signs in with."""

    email = StrictCharField(max_length=254)
    password = StrictCharField(max_length=4096, write_only=True)
    code = StrictCharField(
        max_length=32,
        required=False,
        write_only=True,
        help_text="Of the second factor, if the account has one: the app's, or a recovery code.",
    )


class TokenRequestSerializer(CredentialsSerializer):
    """Credentials, and what the token shall be."""

    name = StrictCharField(
        max_length=100,
        default="API",
        help_text="By which its owner knows it again on the page of tokens.",
    )
    scopes = serializers.ListField(
        child=StrictChoiceField(choices=Scope.choices),
        default=list(Scope.values),
        min_length=1,
        max_length=len(Scope),
        help_text="What the token may do. Without this field: everything.",
    )
    days = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=settings.API_TOKEN_MAX_DAYS,
        help_text="For how long it holds.",
    )
    networks = serializers.ListField(
        child=StrictCharField(max_length=LONGEST_NETWORK),
        default=list,
        max_length=MOST_NETWORKS,
        help_text="Addresses and networks (CIDR) from which it may be used. Empty: from "
        "everywhere.",
    )


class TokenSerializer(serializers.Serializer):
    """A new token. It is shown once: only its hash is stored."""

    token = serializers.CharField(help_text="Send it as `Authorization: Token <token>`.")
    expiry = serializers.DateTimeField(help_text="From then on the token is refused.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), help_text="What it may do."
    )


class OwnTokenSerializer(serializers.Serializer):
    """The token that the request carries."""

    name = serializers.CharField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), help_text="What it may do."
    )
    expiry = serializers.DateTimeField(
        source="expires_at", help_text="From then on the token is refused."
    )


class MeSerializer(serializers.ModelSerializer):
    """The account that the token belongs to."""

    may_practise = serializers.BooleanField(
        read_only=True, help_text="Whether it may work with patients now."
    )
    verification = serializers.ChoiceField(choices=Doctor.Verification.choices, read_only=True)
    token = serializers.SerializerMethodField()

    class Meta:
        model = Doctor
        fields = [
            "email",
            "first_name",
            "last_name",
            "registration_number",
            "verification",
            "may_practise",
            "language",
            "token",
        ]
        read_only_fields = fields

    @extend_schema_field(OwnTokenSerializer)
    def get_token(self, _doctor) -> dict:
        return OwnTokenSerializer(self.context["request"].auth).data
