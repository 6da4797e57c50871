"""The slowest statements of the running system in the admin, and their plans on demand."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from .models import StatementTimes
from .queries.plans import explain
from .queries.services import times_clear
from .readonly_admin import ReadOnlyAdmin

LIST = "admin:operations_statementtimes_changelist"


def milliseconds(micros: int) -> str:
    return f"{number_format(micros / 1000, 2)}\u00a0ms"


@admin.register(StatementTimes)
class StatementTimesAdmin(ReadOnlyAdmin):
    """Seen with the view permission; "Begin anew" needs the permission to delete."""

    change_list_template = "admin/operations/statementtimes/change_list.html"
    list_display = ["p95", "mean", "longest", "total", "count", "place", "short", "last_at"]
    list_display_links = ["short"]
    search_fields = ["statement", "place"]
    search_help_text = gettext_lazy("A part of the statement, the route or the task.")

    @admin.display(description=gettext_lazy("95 % are within"), ordering="p95_us")
    def p95(self, row) -> str:
        return milliseconds(row.p95_us)

    @admin.display(description=gettext_lazy("mean"), ordering="mean_us")
    def mean(self, row) -> str:
        return milliseconds(row.mean_us)

    @admin.display(description=gettext_lazy("longest"), ordering="longest_us")
    def longest(self, row) -> str:
        return milliseconds(row.longest_us)

    @admin.display(description=gettext_lazy("total time"), ordering="total_us")
    def total(self, row) -> str:
        return milliseconds(row.total_us)

    @admin.display(description=gettext_lazy("statement"), ordering="statement")
    def short(self, row) -> str:
        """Without its quotes; of a long list of columns the beginning."""
        text = row.statement.replace('"', "").replace("`", "")
        verb, _from, rest = text.partition(" FROM ")
        return f"{verb[:40]} … FROM {rest}"[:160] if len(verb) > 60 else text[:160]

    def get_urls(self):
        anew = self.admin_site.admin_view(require_POST(self.begin_anew))
        return [path("anew/", anew, name="operations_statementtimes_anew"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context=None) -> HttpResponse:
        facts = {
            "percent": f"{100 * settings.QUERY_SAMPLE:g}",
            "may_begin_anew": self.may_begin_anew(request),
        }
        return super().changelist_view(request, facts | (extra_context or {}))

    def change_view(self, request, object_id, form_url="", extra_context=None) -> HttpResponse:
        """The statement as a whole, its times and, asked with ``?plan``, its plan."""
        return require_safe(self._statement)(request, object_id)

    def _statement(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        asked = "plan" in request.GET
        context = {
            **self.admin_site.each_context(request),
            "title": _("Slow statement"),
            "opts": self.opts,
            "row": row,
            "times": [
                (_("95 % are within"), milliseconds(row.p95_us)),
                (_("Mean"), milliseconds(row.mean_us)),
                (_("Longest"), milliseconds(row.longest_us)),
                (_("Total time"), milliseconds(row.total_us)),
            ],
            "plan": explain(row.statement) if asked else None,
        }
        return TemplateResponse(request, "admin/operations/statementtimes/statement.html", context)

    def may_begin_anew(self, request: HttpRequest) -> bool:
        return request.user.has_perm("operations.delete_statementtimes")

    def begin_anew(self, request: HttpRequest) -> HttpResponse:
        if not self.may_begin_anew(request):
            raise PermissionDenied
        times_clear()
        messages.success(request, _("The times are collected anew."))
        return redirect(LIST)
