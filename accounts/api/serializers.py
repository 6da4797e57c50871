"""Accounts and tokens as programs see them."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import Doctor
from pneumoniapp.api.serializers import StrictCharField, StrictSerializer


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


class TokenSerializer(serializers.Serializer):
    """A new token. It is shown once: only its hash is stored."""

    token = serializers.CharField(help_text="Send it as `Authorization: Token <token>`.")
    expiry = serializers.DateTimeField(help_text="From then on the token is refused.")


class MeSerializer(serializers.ModelSerializer):
    """The account that the token belongs to."""

    may_practise = serializers.BooleanField(
        read_only=True, help_text="Whether it may work with patients now."
    )
    verification = serializers.ChoiceField(choices=Doctor.Verification.choices, read_only=True)

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
        ]
        read_only_fields = fields
