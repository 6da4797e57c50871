"""The record of access in the admin: searched, exported, verified; nobody changes a line."""

from __future__ import annotations

import datetime as dt

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from pneumoniapp.reauthentication import reauthentication_check

from .admin_search import unseal
from .audit import search
from .audit.exporting import event_lines
from .audit.wording import object_text, reason_page, reason_text
from .models import AccessEvent, AuditCheck
from .readonly_admin import ReadOnlyAdmin, RecordedAdmin
from .services import access_record

LIST = "admin:operations_accessevent_changelist"


class ObjectTypeFilter(admin.SimpleListFilter):
    """By kind of object, from a fixed list: the distinct values would need the whole table."""

    title = _("object type")
    parameter_name = "object_type"

    def lookups(self, request, model_admin):
        names = (
            "patients.patient",
            "radiology.radiograph",
            "inference.analysis",
            "inference.review",
            "accounts.doctor",
            "accounts.apitoken",
            "inference.modelversion",
            "operations.backup",
            "operations.restore",
            "operations.filekey",
            "operations.accessevent",
            "patients.emergencyaccess",
            "accounts.session",
            "refusal.login",
            "refusal.401",
            "refusal.403",
            "refusal.404",
        )
        return [(name, object_text(name)) for name in names]

    def queryset(self, request, queryset):
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Events that say why."""

    title = _("reason")
    parameter_name = "why"

    def lookups(self, request, model_admin):
        return [
            ("break_glass", reason_text("break_glass")),
            ("adjudication", reason_text("adjudication")),
            ("erasure", reason_text("erasure")),
            ("any", _("any reason")),
        ]

    def queryset(self, request, queryset):
        if self.value() == "any":
            return queryset.filter(reason__gt="")
        return queryset.filter(search.for_reason(self.value())) if self.value() else queryset


class WhoseAndWhenFilter(admin.ListFilter):
    """A form: the doctor's address, the patient's key, the first and the last day."""

    title = _("doctor, patient and period")
    template = "admin/operations/accessevent/filter.html"
    NAMES = ("doctor", "patient", "since", "until")

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        self.csrf_token = get_token(request)  # the template of a filter knows no request
        self.asked = {}
        for name in self.NAMES:
            if name in params:
                value = params.pop(name)
                text = value[-1] if isinstance(value, list) else value
                self.asked[name] = (unseal(text) if name == "doctor" else text).strip()[:254]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str]:
        return list(self.NAMES)

    def choices(self, changelist):
        self.others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in self.NAMES
            for value in (values if isinstance(values, list) else [values])
        ]
        return []

    def queryset(self, request, queryset):
        """What makes no sense finds nothing: a slip must not look like an answer."""
        asked = {name: value for name, value in self.asked.items() if value}
        days = {name: _day(asked[name]) for name in ("since", "until") if name in asked}
        if None in days.values():
            return queryset.none()
        if "doctor" in asked:
            queryset = search.events_of_doctor(queryset, asked["doctor"])
        if "patient" in asked:
            queryset = queryset.filter(patient=asked["patient"].lower())
        return search.events_between(queryset, days.get("since"), days.get("until"))


def _day(text: str) -> dt.date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _short(key: str) -> str:
    return f"{key[:13]}…" if len(key) > 16 else key


@admin.register(AccessEvent)
class AccessEventAdmin(RecordedAdmin):
    """Who touched what and when."""

    change_list_template = "admin/operations/accessevent/change_list.html"
    sealed_parameters = (*RecordedAdmin.sealed_parameters, "doctor")
    list_display = [
        "at",
        "actor",
        "action",
        "what",
        "which",
        "whose",
        "count",
        "channel",
        "why",
        "route",
        "address",
    ]
    fields = [
        "at",
        "actor",
        "action",
        "object_type",
        "object_id",
        "patient",
        "count",
        "channel",
        "reason",
        "route",
        "address",
        "request_id",
        "position",
        "digest",
        "chain",
    ]
    list_filter = [WhoseAndWhenFilter, "action", "channel", ReasonFilter, ObjectTypeFilter]
    search_fields = ["request_id"]  # Any makes the field appear; see get_search_results.
    search_help_text = _(
        "E-mail address of the actor, or the key of a patient, an object, a request or a reason, "
        "exactly."
    )
    list_select_related = ["actor"]
    sortable_by = ()

    class Media:
        css = {"all": ["css/audit-admin.css"]}

    @admin.display(description=_("object type"))
    def what(self, event: AccessEvent) -> str:
        return object_text(event.object_type)

    @admin.display(description=_("object"))
    def which(self, event: AccessEvent) -> str:
        """Enough of a key to tell it from others; the event's page has the whole."""
        return _short(event.object_id)

    @admin.display(description=_("patient"))
    def whose(self, event: AccessEvent) -> str:
        if not event.patient:
            return "–"
        address = f"{reverse(LIST)}?patient={event.patient}"
        return format_html('<a href="{}">{}</a>', address, _short(event.patient))

    @admin.display(description=_("reason"))
    def why(self, event: AccessEvent) -> str:
        """In words; the row that holds what somebody wrote is a click away."""
        text = reason_text(event.reason) or "–"
        page, key = reason_page(event.reason)
        return format_html('<a href="{}">{}</a>', reverse(page, args=[key]), text) if page else text

    def get_search_results(self, request, queryset, search_term):
        if not search_term.strip():
            return queryset, False
        return search.events_found(queryset, search_term), False

    def get_urls(self):
        view = self.admin_site.admin_view(self.export)
        return [
            path("export.csv", view, name="operations_accessevent_export"),
            *super().get_urls(),
        ]

    def changelist_view(self, request, extra_context=None):
        check = AuditCheck.objects.exclude(state=AuditCheck.State.RUNNING).first()
        context = {"check": check, "export_query": self.sealed(request.GET).urlencode()}
        return super().changelist_view(request, context | (extra_context or {}))

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows, as CSV; that it was exported is recorded first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        reauthentication_check(request)
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect(LIST)
        access_record(
            actor=request.user,
            action=AccessEvent.Action.READ,
            object_type="operations.accessevent",
            object_id="list",
            channel=AccessEvent.Channel.EXPORT,
            request=request,
        )
        lines = event_lines(rows, language=get_language())
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        name = f"accesses-{timezone.localdate():%Y-%m-%d}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


@admin.register(AuditCheck)
class AuditCheckAdmin(ReadOnlyAdmin):
    """Every verification of the record: how far, and what was found."""

    list_display = ["started_at", "state", "events", "position", "length", "found"]
    list_filter = ["state"]
    fields = [*list_display, "finished_at", "counts", "error_code", "chain"]

    @admin.display(description=_("events"))
    def events(self, check: AuditCheck) -> str:
        return str(check.counts.get("events", "–"))

    @admin.display(description=_("duration"))
    def length(self, check: AuditCheck) -> str:
        return f"{check.duration.total_seconds():.1f} s" if check.duration else "–"

    @admin.display(description=_("what went wrong"))
    def found(self, check: AuditCheck) -> str:
        return check.error or "–"
