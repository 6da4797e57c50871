"""Radiographs in the admin: looked up by their UIDs, never changed."""

from __future__ import annotations

import uuid

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from operations.services import access_record
from pneumoniapp.paging import CappedPaginator

from .models import Radiograph
from .warnings import warning_sentence, warnings_now


@admin.register(Radiograph)
class RadiographAdmin(admin.ModelAdmin):
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
    actions = None
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    @admin.display(description=_("warnings"))
    def remarks(self, radiograph: Radiograph) -> str:
        sentences = ((warning_sentence(entry),) for entry in warnings_now(radiograph))
        return format_html_join("\n", "<p>{}</p>", sentences) or "-"

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(request.user)

    def get_search_results(self, request, queryset, search_term):
        """A primary key is looked up as one: it is no text that a database could compare."""
        try:
            return queryset.filter(pk=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request, extra_context=None):
        access_record(
            actor=request.user,
            action="read",
            object_type="radiology.radiograph",
            object_id="list",
            request=request,
        )
        return super().changelist_view(request, extra_context)

    def get_object(self, request, object_id, from_field=None):
        radiograph = super().get_object(request, object_id, from_field)
        if radiograph is not None:
            access_record(actor=request.user, action="read", obj=radiograph, request=request)
        return radiograph
