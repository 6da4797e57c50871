"""Patients in the admin: looked up by identifier, never changed in bulk, never counted in full."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from operations.admin_search import seal
from operations.readonly_admin import PatientDataAdmin

from .models import EmergencyAccess, Patient


@admin.register(Patient)
class PatientAdmin(PatientDataAdmin):
    """Administrators look patients up; doctors alone add and correct their own."""

    list_display = ("identifier", "owner", "sex", "birth_date", "created_at")
    list_select_related = ("owner",)
    list_filter = ("training_consent",)
    search_fields = ("identifier__startswith", "owner__email__exact")
    search_help_text = _("Beginning of the identifier, or the doctor's whole e-mail address.")
    fields = (
        "id",
        "identifier",
        "owner",
        "sex",
        "birth_date",
        "training_consent",
        "consent_at",
        "consent_by",
        "created_at",
        "updated_at",
    )
    ordering = ("-created_at", "-pk")


@admin.register(EmergencyAccess)
class EmergencyAccessAdmin(PatientDataAdmin):
    """Who opened which patient without the patient's doctor, why, and until when."""

    list_display = ("opened_at", "doctor", "practice", "cause", "ends_at", "closed_at", "seen_at")
    list_select_related = ("doctor", "practice")
    list_filter = ("cause", ("seen_at", admin.EmptyFieldListFilter))
    search_fields = ("doctor__email__exact", "practice__name__startswith")
    ordering = ("-opened_at", "-pk")
    fields = (
        "id",
        "patient",
        "doctor",
        "practice",
        "cause",
        "comment",
        "opened_at",
        "ends_at",
        "closed_at",
        "closed_by",
        "seen_at",
        "looks",
    )

    @admin.display(description=_("what was looked at"))
    def looks(self, emergency: EmergencyAccess) -> str:
        address = reverse("admin:operations_accessevent_changelist")
        query = urlencode({"q": seal(emergency.reason)})
        return format_html('<a href="{}?{}">{}</a>', address, query, _("Events of this access"))
