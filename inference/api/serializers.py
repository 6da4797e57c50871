"""Radiographs, analyses, reviews and model versions as programs see them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from inference.models import LABELS, Analysis, Certainty, Label, ModelVersion
from patients.api.serializers import IdentifierField
from patients.models import Patient
from pneumoniapp.api.serializers import (
    StrictChoiceField,
    StrictDateField,
    StrictSerializer,
    VisibleField,
    represent,
)
from radiology.api.serializers import RadiographHeaderSerializer, WarningSerializer
from radiology.warnings import warnings_now

CERTAINTY_HELP = (
    "How far the reading may be believed. `certain`: one class remains possible. `uncertain`: "
    "several do (`prediction_set`), and a person must decide. `unlike`: the image is not like "
    "what the model knows, and the reading names no class. Versions without sets say `high`, "
    "`moderate` or `low` (a person must look)."
)
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
PROBABILITIES = {
    "type": "object",
    "required": list(LABELS),
    "properties": dict.fromkeys(LABELS, PROBABILITY),
    "additionalProperties": False,
    "nullable": True,
}


class ErrorSerializer(serializers.Serializer):
    """Why there is no reading."""

    code = serializers.CharField(help_text="Stable, never changes its meaning.")
    detail = serializers.CharField(help_text="A sentence in the language of the request.")


class ModelReferenceSerializer(serializers.ModelSerializer):
    """Which version of which model made a reading."""

    class Meta:
        model = ModelVersion
        fields = ["id", "name", "version"]


class AnalysisSerializer(serializers.ModelSerializer):
    """One run of one model version on one radiograph. It assists; it never decides."""

    radiograph = serializers.UUIDField(source="radiograph_id", read_only=True)
    is_current = serializers.SerializerMethodField(
        help_text="Whether this is the newest analysis of the radiograph."
    )
    status = serializers.ChoiceField(
        choices=Analysis.Status.choices,
        read_only=True,
        help_text="`queued`, then `running`, then `done` or `failed`.",
    )
    error = serializers.SerializerMethodField(help_text="Only when `status` is `failed`.")
    withheld = serializers.BooleanField(
        read_only=True,
        help_text="Whether what the model says is kept from you (`null`) because you read first "
        "and have not given your own class yet.",
    )
    label = serializers.SerializerMethodField(
        help_text="The most probable of the classes that remain possible, or of all where none "
        "does. It is what the reading says only where `certainty` is `certain` (or `high`, "
        "`moderate`)."
    )
    probabilities = serializers.SerializerMethodField(help_text="Calibrated; they sum to 1.")
    certainty = serializers.SerializerMethodField(help_text=CERTAINTY_HELP)
    prediction_set = serializers.SerializerMethodField(
        help_text="The classes that remain possible, the most probable first. Sets are made to "
        "hold the true class for the share of radiographs of each class that the version's "
        "`conformal.coverage` gives. `null` for versions without sets."
    )
    typical = serializers.BooleanField(
        read_only=True,
        allow_null=True,
        help_text="Whether the image is like those that the model knows; `null` for versions "
        "that do not look at that.",
    )
    model = ModelReferenceSerializer(source="model_version", read_only=True, allow_null=True)
    timings = serializers.DictField(
        child=serializers.FloatField(), read_only=True, help_text="Milliseconds by step."
    )
    map = serializers.SerializerMethodField(
        help_text="Address of the class activation map (PNG), once there is one."
    )

    class Meta:
        model = Analysis
        fields = [
            "id",
            "radiograph",
            "is_current",
            "status",
            "error",
            "withheld",
            "label",
            "probabilities",
            "certainty",
            "prediction_set",
            "typical",
            "model",
            "timings",
            "map",
            "attempts",
            "queued_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_is_current(self, analysis: Analysis) -> bool:
        return bool(analysis.is_current)

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, analysis: Analysis) -> dict | None:
        if not analysis.error_code:
            return None
        return {"code": analysis.error_code, "detail": analysis.error_sentence}

    @extend_schema_field(serializers.ChoiceField(choices=Label.choices, allow_null=True))
    def get_label(self, analysis: Analysis) -> str | None:
        return analysis.label or None

    @extend_schema_field(PROBABILITIES)
    def get_probabilities(self, analysis: Analysis) -> dict | None:
        return analysis.probabilities

    @extend_schema_field(serializers.ChoiceField(choices=Certainty.choices, allow_null=True))
    def get_certainty(self, analysis: Analysis) -> str | None:
        return analysis.certainty or None

    @extend_schema_field(
        serializers.ListField(child=serializers.ChoiceField(choices=Label.choices), allow_null=True)
    )
    def get_prediction_set(self, analysis: Analysis) -> list[str] | None:
        return analysis.prediction_set

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_map(self, analysis: Analysis) -> str | None:
        if not analysis.map:
            return None
        return reverse("api:analysis-map", [analysis.pk], request=self.context["request"])


class PatientReferenceSerializer(serializers.ModelSerializer):
    """Whose radiograph it is."""

    class Meta:
        model = Patient
        fields = ["id", "identifier", "sex", "birth_date"]
        read_only_fields = fields


class RadiographSerializer(serializers.Serializer):
    """A radiograph with its newest analysis. The instance is that analysis."""

    id = serializers.UUIDField(source="radiograph_id")
    status = serializers.ChoiceField(
        choices=Analysis.Status.choices, help_text="The status of the newest analysis."
    )
    error = serializers.SerializerMethodField(help_text="Only when `status` is `failed`.")
    warnings = serializers.SerializerMethodField()
    patient = PatientReferenceSerializer(source="radiograph.patient")
    acquired_on = serializers.DateField(source="radiograph.acquired_on")
    received_at = serializers.DateTimeField(source="radiograph.received_at")
    header = RadiographHeaderSerializer(source="radiograph")
    analysis = AnalysisSerializer(source="*")
    preview = serializers.SerializerMethodField(
        help_text="Address of the rendered radiograph (JPEG), once there is one."
    )
    dicom = serializers.SerializerMethodField(help_text="Address of the stored DICOM file.")

    @extend_schema_field(WarningSerializer(many=True))
    def get_warnings(self, analysis: Analysis) -> list[dict]:
        return [represent(WarningSerializer, entry) for entry in warnings_now(analysis.radiograph)]

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, analysis: Analysis) -> dict | None:
        return AnalysisSerializer.get_error(None, analysis)

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_preview(self, analysis: Analysis) -> str | None:
        return (
            self._address("radiograph-preview", analysis) if analysis.radiograph.preview else None
        )

    @extend_schema_field(OpenApiTypes.URI)
    def get_dicom(self, analysis: Analysis) -> str:
        return self._address("radiograph-dicom", analysis)

    def _address(self, name: str, analysis: Analysis) -> str:
        return reverse(f"api:{name}", [analysis.radiograph_id], request=self.context["request"])


class RadiographUploadSerializer(StrictSerializer):
    """A radiograph, and whose it is: `patient`, or else the other three values.

    With `patient_identifier`, `birth_date` and `sex` the patient is recorded if you have
    none with this identifier; if you have one, the values must be the same.
    """

    NEW_PATIENT = ("patient_identifier", "birth_date", "sex")

    file = serializers.FileField(
        allow_empty_file=True, help_text="A DICOM file of one frontal chest radiograph."
    )
    patient = VisibleField(
        Patient,
        rule="treated_by",
        required=False,
        help_text="The key of one of your patients, or of one whom your practice shares.",
    )
    patient_identifier = IdentifierField(required=False)
    birth_date = StrictDateField(required=False, help_text="The patient's, as YYYY-MM-DD.")
    sex = StrictChoiceField(
        choices=Patient.Sex.choices, required=False, help_text="The patient's: F, M or O (other)."
    )
    acquired_on = StrictDateField(
        required=False,
        help_text="Date of the radiograph, as YYYY-MM-DD; the file's own unless it is given.",
    )
    confirm_mismatch = serializers.BooleanField(
        required=False,
        help_text="Whether the file is this patient's although its birth date, sex or age is "
        "another (`patient_mismatch`). Let a person decide it.",
    )

    schema_rules = {
        "oneOf": [
            {
                "required": ["patient"],
                "not": {"anyOf": [{"required": [name]} for name in NEW_PATIENT]},
            },
            {"required": list(NEW_PATIENT), "not": {"required": ["patient"]}},
        ]
    }

    def validate(self, values: dict) -> dict:
        if "patient" in values:
            wrong = [name for name in self.NEW_PATIENT if name in values]
            message = _("Send either the patient or these values.")
            code = "invalid"
        else:
            wrong = [name for name in self.NEW_PATIENT if name not in values]
            message = _("Send this value, or the patient.")
            code = "required"
        if wrong:
            error = serializers.ErrorDetail(str(message), code)
            raise serializers.ValidationError({name: [error] for name in wrong})
        return values


class ModelVersionSerializer(serializers.ModelSerializer):
    """One trained network with what is known of it."""

    in_production = serializers.SerializerMethodField(
        help_text="Whether new radiographs are read by this version."
    )
    labels = serializers.SerializerMethodField(help_text="The classes, in the network's order.")
    thresholds = serializers.SerializerMethodField(
        help_text="Lower limits of certainty, for versions without sets."
    )
    calibration = serializers.SerializerMethodField()
    conformal = serializers.SerializerMethodField(
        help_text="How the sets of possible classes are made, and what was measured of them."
    )
    gate = serializers.SerializerMethodField(
        help_text="How images unlike the known ones are told, and what was measured of it."
    )
    triage = serializers.SerializerMethodField(
        help_text="Limits on the probability of a lung opacity that rule it out or in."
    )
    metrics = serializers.SerializerMethodField(help_text="Measured, by split of the data.")
    data = serializers.SerializerMethodField(help_text="What it was trained on.")
    card = serializers.SerializerMethodField(
        help_text="Address of the model card: a page for people who are signed in, with all this "
        "in words and tables."
    )

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "in_production",
            "architecture",
            "labels",
            "preprocessing_version",
            "sha256",
            "thresholds",
            "calibration",
            "conformal",
            "gate",
            "triage",
            "metrics",
            "data",
            "card",
            "registered_at",
        ]
        read_only_fields = fields

    def get_in_production(self, version: ModelVersion) -> bool:
        return bool(version.in_production)

    def get_labels(self, version: ModelVersion) -> list[str]:
        return version.facts.get("labels", [])

    def get_thresholds(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("thresholds", {})

    def get_calibration(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("calibration", {})

    def get_conformal(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("conformal", {})

    def get_gate(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("gate", {})

    def get_triage(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("triage", {})

    def get_metrics(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("metrics", {})

    def get_data(self, version: ModelVersion) -> dict[str, Any]:
        return version.facts.get("data", {})

    @extend_schema_field(OpenApiTypes.URI)
    def get_card(self, version: ModelVersion) -> str:
        return self.context["request"].build_absolute_uri(version.card_url())
