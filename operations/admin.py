"""The record of access, for reading only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from . import admin_backup, admin_queries  # noqa: F401
from .models import AccessEvent
from .readonly_admin import ReadOnlyAdmin


class ObjectTypeFilter(admin.SimpleListFilter):
    """By kind of object, from a fixed list: the distinct values would need the whole table."""

    title = _("object type")
    parameter_name = "object_type"

    def lookups(self, request, model_admin):
        names = ("patients.patient", "radiology.radiograph", "inference.analysis")
        return [(name, name) for name in names]

    def queryset(self, request, queryset):
        return queryset.filter(object_type=self.value()) if self.value() else queryset


@admin.register(AccessEvent)
class AccessEventAdmin(ReadOnlyAdmin):
    """Who touched what and when. Nobody adds, changes or deletes a line here."""

    list_display = ["at", "actor", "action", "object_type", "object_id", "route", "address"]
    fields = [*list_display, "request_id"]
    list_filter = ["action", ObjectTypeFilter, "at"]
    search_fields = ["object_id__exact", "actor__email__exact", "request_id__exact"]
    search_help_text = _("Object key, e-mail address of the actor or request id, exactly.")
    list_select_related = ["actor"]
