"""Judgements as the API takes and gives them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inference.models import Label, Review
from pneumoniapp.api.serializers import StrictCharField, StrictChoiceField, StrictSerializer


class StrictShareField(serializers.FloatField):
    """A number from 0 to 1, and no text that looks like one."""

    def __init__(self, **kwargs) -> None:
        super().__init__(min_value=0, max_value=1, **kwargs)

    def to_internal_value(self, data) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class ReviewInputSerializer(StrictSerializer):
    """A doctor's judgement of a finished analysis."""

    verdict = StrictChoiceField(
        choices=Review.Verdict.choices,
        required=False,
        help_text="Left out while the reading is `withheld`, and only then.",
    )
    label = StrictChoiceField(
        choices=Label.choices,
        required=False,
        help_text="The right class. Needed to contest; to approve, it is the analysis's own.",
    )
    reason = StrictChoiceField(
        choices=Review.Reason.choices,
        required=False,
        help_text="Why. Needed to contest, and not to be sent to approve. `missed_opacity` is for "
        "readings of another class than the right one, `lung_opacity`; `not_pneumonia` for "
        "readings of the class `lung_opacity`; `other` needs a comment.",
    )
    comment = StrictCharField(
        required=False, allow_blank=True, max_length=2000, help_text="Name no patient here."
    )
    region = serializers.ListField(
        child=StrictShareField(),
        required=False,
        min_length=4,
        max_length=4,
        help_text="To contest: left, top, right and bottom of what you mean on the image, as "
        "shares of it from its upper left corner; left < right, top < bottom.",
    )

    schema_rules = {
        "anyOf": [
            {
                "required": ["label"],
                "not": {
                    "anyOf": [{"required": [name]} for name in ("verdict", "reason", "region")]
                },
            },
            {
                "properties": {"verdict": {"enum": [Review.Verdict.APPROVED.value]}},
                "required": ["verdict"],
                "not": {"required": ["reason"]},
            },
            {
                "properties": {
                    "verdict": {"enum": [Review.Verdict.CONTESTED.value]},
                    "reason": {"not": {"enum": [Review.Reason.OTHER.value]}},
                },
                "required": ["verdict", "label", "reason"],
            },
            {
                "properties": {
                    "verdict": {"enum": [Review.Verdict.CONTESTED.value]},
                    "comment": {"pattern": r"\S"},
                },
                "required": ["verdict", "label", "reason", "comment"],
            },
        ]
    }

    def validate(self, values: dict) -> dict:
        unknown = {"reason", "region"} & values.keys()
        if "verdict" not in values and ("label" not in values or unknown):
            error = serializers.ErrorDetail(str(_("Say whether you agree.")), "required")
            raise serializers.ValidationError({"verdict": [error]})
        if values.get("verdict") == Review.Verdict.CONTESTED and "label" not in values:
            error = serializers.ErrorDetail(str(_("Give the right class.")), "required")
            raise serializers.ValidationError({"label": [error]})
        return values


class ReviewSerializer(serializers.ModelSerializer):
    """A doctor's judgement of one analysis. None is ever changed; the newest counts."""

    analysis = serializers.UUIDField(source="analysis_id", read_only=True)
    region = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1),
        read_only=True,
        allow_null=True,
        help_text="Left, top, right and bottom of what the doctor marked, as shares of the image.",
    )
    kind = serializers.ChoiceField(
        choices=Review.Kind.choices,
        read_only=True,
        help_text="A doctor's `judgement`, or the `decision` of an administrator where doctors "
        "differ.",
    )
    reason = serializers.SerializerMethodField(help_text="Why it is contested; else `null`.")
    before_reading = serializers.BooleanField(
        read_only=True, help_text="Whether the class was given before the reading was shown."
    )
    is_current = serializers.SerializerMethodField(
        help_text="Whether it is its doctor's newest judgement of this analysis."
    )
    mine = serializers.SerializerMethodField(help_text="Whether you wrote it.")

    class Meta:
        model = Review
        fields = [
            "id",
            "analysis",
            "kind",
            "verdict",
            "label",
            "reason",
            "comment",
            "region",
            "before_reading",
            "is_current",
            "mine",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=Review.Reason.choices, allow_null=True))
    def get_reason(self, review: Review) -> str | None:
        return review.reason or None

    def get_is_current(self, review: Review) -> bool:
        return bool(review.is_current)

    def get_mine(self, review: Review) -> bool:
        return review.doctor_id == self.context["request"].user.pk
