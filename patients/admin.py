"""Patients in the admin: looked up by identifier, never changed in bulk, never counted in full."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from operations.services import access_record
from pneumoniapp.paging import CappedPaginator

from .models import Patient


@admin.register(Patient)
class PatientAdmin(admin.ModelAdmin):
    """Administrators look patients up; doctors alone add and correct their own."""

    list_display = ("identifier", "owner", "sex", "birth_date", "created_at")
    list_select_related = ("owner",)
    search_fields = ("identifier__startswith", "owner__email__exact")
    search_help_text = _("Beginning of the identifier, or the doctor's whole e-mail address.")
    fields = ("id", "identifier", "owner", "sex", "birth_date", "created_at", "updated_at")
    ordering = ("-created_at", "-pk")
    actions = None
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(request.user)

    def changelist_view(self, request, extra_context=None):
        access_record(
            actor=request.user,
            action="read",
            object_type="patients.patient",
            object_id="list",
            request=request,
        )
        return super().changelist_view(request, extra_context)

    def get_object(self, request, object_id, from_field=None):
        patient = super().get_object(request, object_id, from_field)
        if patient is not None:
            access_record(actor=request.user, action="read", obj=patient, request=request)
        return patient
