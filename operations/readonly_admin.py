"""What the admin's pages of patients' data and of records have in common: they are looked at."""

from __future__ import annotations

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property

from .admin_search import SealedSearch
from .services import access_record, list_read_record


class CappedPaginator(Paginator):
    """Counts no further than ``MOST`` rows: a count of millions takes seconds.

    What lies behind is found by search and filters.
    """

    MOST = 5000

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[: self.MOST].count()


class ReadOnlyAdmin(SealedSearch):
    """Rows are seen by those with the view permission and changed by actions alone."""

    actions = None
    paginator = CappedPaginator
    show_full_result_count = False
    # Nor is anything counted for each choice of each filter.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class RecordedAdmin(ReadOnlyAdmin):
    """Each look is recorded: a list with the number of its rows, an object by its key."""

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        page = getattr(response, "context_data", None) or {}
        rows = getattr(page.get("cl"), "result_list", None)
        if rows is not None:
            list_read_record(object_type=self.opts.label_lower, request=request, count=len(rows))
        return response

    def get_object(self, request, object_id, from_field=None):
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            access_record(actor=request.user, action="read", obj=found, request=request)
        return found


class PatientDataAdmin(RecordedAdmin):
    """Rows of a patient: only those ``visible_to`` the administrator."""

    def get_queryset(self, request):
        return super().get_queryset(request).visible_to(request.user)
