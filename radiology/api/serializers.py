"""What is known of a radiograph's file, as programs see it."""

from __future__ import annotations

from rest_framework import serializers

from radiology.models import Radiograph
from radiology.warnings import warning_sentence


class RadiographHeaderSerializer(serializers.ModelSerializer):
    """The facts of the DICOM header that are kept."""

    class Meta:
        model = Radiograph
        fields = [
            "sop_instance_uid",
            "series_instance_uid",
            "study_instance_uid",
            "sop_class_uid",
            "transfer_syntax_uid",
            "modality",
            "view_position",
            "photometric_interpretation",
            "rows",
            "columns",
            "bits_stored",
            "size",
            "sha256",
        ]
        read_only_fields = fields


class WarningSerializer(serializers.Serializer):
    """What a person must look at: a header that disagrees with the patient, an unknown view."""

    code = serializers.CharField(help_text="Stable, never changes its meaning.")
    detail = serializers.CharField(help_text="A sentence in the language of the request.")
    facts = serializers.DictField(help_text="What the file says, where the code needs it.")

    def to_representation(self, entry: dict) -> dict:
        facts = {name: value for name, value in entry.items() if name != "code"}
        return {"code": entry["code"], "detail": warning_sentence(entry), "facts": facts}
