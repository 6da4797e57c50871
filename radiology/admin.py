"""Radiographs in the admin: looked up by their UIDs, never changed."""

from __future__ import annotations

import uuid

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from operations.readonly_admin import PatientDataAdmin

from .models import Radiograph
from .warnings import warning_sentence, warnings_now


@admin.register(Radiograph)
class RadiographAdmin(PatientDataAdmin):
    """What was received and when; the images are shown to the patient's doctor alone."""

    list_display = ("id", "owner", "acquired_on", "received_at", "modality", "view_position")
    list_select_related = ("owner",)
    search_fields = ("sop_instance_uid__exact", "study_instance_uid__exact", "sha256__exact")
    search_help_text = _("A whole SOP or Study Instance UID, key or SHA-256.")
    ordering = ("-received_at", "-pk")
    fields = (
        "id",
        "patient",
        "owner",
        "uploaded_by",
        "acquired_on",
        "received_at",
        "remarks",
        "modality",
        "view_position",
        "photometric_interpretation",
        "rows",
        "columns",
        "bits_stored",
        "sop_class_uid",
        "transfer_syntax_uid",
        "sop_instance_uid",
        "series_instance_uid",
        "study_instance_uid",
        "sha256",
        "pixel_sha256",
        "size",
    )

    @admin.display(description=_("warnings"))
    def remarks(self, radiograph: Radiograph) -> str:
        sentences = ((warning_sentence(entry),) for entry in warnings_now(radiograph))
        return format_html_join("\n", "<p>{}</p>", sentences) or "-"

    def get_search_results(self, request, queryset, search_term):
        """A primary key is looked up as one: it is no text that a database could compare."""
        try:
            return queryset.filter(pk=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
