"""Patients as programs see them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from patients.models import Patient
from pneumoniapp.api.serializers import (
    StrictCharField,
    StrictChoiceField,
    StrictDateField,
    StrictSerializer,
)

IDENTIFIER_HELP = (
    "The number by which the doctor's own records know the patient, not a name. "
    "It is only ever sent in a body, never in an address."
)


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        # The model's rule in the dialect of JSON Schema, whose word character knows ASCII alone.
        "pattern": r"^[\p{L}\p{N}_][\p{L}\p{N}_ .\-/]*$",
        "example": "IPP-000123",
    }
)
class IdentifierField(StrictCharField):
    """A patient identifier; its rule is the model's."""

    def __init__(self, **kwargs) -> None:
        validators = [Patient._meta.get_field("identifier").validators[0]]
        super().__init__(max_length=64, help_text=IDENTIFIER_HELP, validators=validators, **kwargs)


class PatientSerializer(serializers.ModelSerializer):
    """A patient of the doctor, or one whom the doctor's practice shares."""

    own = serializers.SerializerMethodField(
        help_text="Whether the patient is your own, not one whom a colleague shares."
    )

    class Meta:
        model = Patient
        fields = [
            "id",
            "own",
            "identifier",
            "sex",
            "birth_date",
            "training_consent",
            "consent_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_own(self, patient: Patient) -> bool:
        return patient.owner_id == self.context["request"].user.pk


class PatientInputSerializer(StrictSerializer):
    """What is known of a patient."""

    identifier = IdentifierField()
    sex = StrictChoiceField(choices=Patient.Sex.choices, help_text="DICOM (0010,0040).")
    birth_date = StrictDateField()
    training_consent = StrictChoiceField(
        choices=Patient.Consent.choices,
        required=False,
        help_text="Whether the patient allows use for training; left out, it stays as it is.",
    )


class PatientSearchSerializer(StrictSerializer):
    """Whom to look for."""

    identifier = IdentifierField()


class PatientSearchResultSerializer(serializers.Serializer):
    results = PatientSerializer(many=True)
