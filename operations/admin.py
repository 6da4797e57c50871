"""The record of access, for reading only."""

from __future__ import annotations

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from .models import AccessEvent

# Rows that can be paged through; what is older is found by the filters. The table only
# grows, and counting it all would make each page slower than the last.
REACH = 5000


class BoundedPaginator(Paginator):
    """Pages over the first ``REACH`` rows; never counts more than those."""

    @cached_property
    def count(self) -> int:
        return self.object_list[:REACH].count()


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
class AccessEventAdmin(admin.ModelAdmin):
    """Who touched what and when. Nobody adds, changes or deletes a line here."""

    list_display = ["at", "actor", "action", "object_type", "object_id", "route", "address"]
    fields = [*list_display, "request_id"]
    list_filter = ["action", ObjectTypeFilter, "at"]
    search_fields = ["object_id__exact", "actor__email__exact", "request_id__exact"]
    search_help_text = _("Object key, e-mail address of the actor or request id, exactly.")
    list_select_related = ["actor"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False
