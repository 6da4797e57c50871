"""Backups and restore drills in the admin: looked at, and started, never edited."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated

from .backup.selectors import last_proven, newest_good
from .models import Backup, RestoreDrill
from .readonly_admin import ReadOnlyAdmin

LIST = "admin:operations_backup_changelist"


@admin.register(Backup)
class BackupAdmin(ReadOnlyAdmin):
    """Every try to make a backup. "Back up now" needs the permission to add backups."""

    change_list_template = "admin/operations/backup/change_list.html"
    list_display = [
        "started_at",
        "state",
        "kind",
        "length",
        "size",
        "newly_stored",
        "files",
        "error",
        "requested_by",
    ]
    list_filter = ["state", "kind"]
    list_select_related = ["requested_by"]
    fields = [
        "name",
        *list_display[:-2],
        "finished_at",
        "rows",
        "objects_total",
        "objects_new",
        "error",
        "error_code",
        "requested_by",
    ]

    class Media:
        css = {"all": ["css/backups.css"]}
        js = ["js/backups.js"]

    def get_urls(self):
        return [
            path("now/", self.admin_site.admin_view(self.now), name="operations_backup_now"),
            path(
                "progress/",
                self.admin_site.admin_view(self.progress),
                name="operations_backup_progress",
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(
            request,
            {
                "is_configured": bool(settings.BACKUP_KEYS),
                "may_back_up": _may_back_up(request),
                "good": newest_good(),
                "proven": last_proven(),
                "running": Backup.objects.filter(unfinished=True).first(),
            }
            | (extra_context or {}),
        )

    def now(self, request: HttpRequest) -> HttpResponse:
        """Queue a backup."""
        return _back_up_now(request)

    def progress(self, request: HttpRequest) -> HttpResponse:
        """How far the running backup is, as JSON."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return _progress(request)

    @admin.display(description=_("duration"))
    def length(self, backup: Backup) -> str:
        return duration_text(backup.duration.total_seconds())

    @admin.display(description=_("size"), ordering="bytes_total")
    def size(self, backup: Backup) -> str:
        return filesizeformat(backup.bytes_total) if backup.name else "–"

    @admin.display(description=_("newly stored"), ordering="bytes_new")
    def newly_stored(self, backup: Backup) -> str:
        return filesizeformat(backup.bytes_new) if backup.name else "–"

    @admin.display(description=_("files"))
    def files(self, backup: Backup) -> str:
        return str(backup.counts.get("files", "–"))

    @admin.display(description=_("rows"))
    def rows(self, backup: Backup) -> str:
        rows = backup.counts.get("rows", {})
        return ", ".join(f"{name}: {count}" for name, count in rows.items()) or "–"

    @admin.display(description=_("what went wrong"))
    def error(self, backup: Backup) -> str:
        return backup.error or "–"


@admin.register(RestoreDrill)
class RestoreDrillAdmin(ReadOnlyAdmin):
    """Every rehearsal of a restore."""

    list_display = ["started_at", "state", "backup", "length", "rows", "files", "error"]
    list_filter = ["state"]
    fields = [*list_display, "finished_at", "error_code"]

    class Media:
        css = {"all": ["css/backups.css"]}

    @admin.display(description=_("duration"))
    def length(self, drill: RestoreDrill) -> str:
        return duration_text(drill.duration.total_seconds()) if drill.duration else "–"

    @admin.display(description=_("rows"))
    def rows(self, drill: RestoreDrill) -> str:
        return str(drill.counts.get("rows", "–"))

    @admin.display(description=_("files"))
    def files(self, drill: RestoreDrill) -> str:
        return str(drill.counts.get("files", "–"))

    @admin.display(description=_("what went wrong"))
    def error(self, drill: RestoreDrill) -> str:
        return drill.error or "–"


def duration_text(seconds: float) -> str:
    """``3725`` -> ``1:02:05``; below ten seconds with tenths."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _may_back_up(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.add_backup")


@require_POST
@reauthenticated
def _back_up_now(request: HttpRequest) -> HttpResponse:
    # Here, for the ciphers' sake: the admin alone needs no cryptography.
    from .backup.services import backup_request

    if not _may_back_up(request):
        raise PermissionDenied
    try:
        backup_request(by=request.user)
    except CodedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("The backup is queued; it begins in a moment."))
    return redirect(LIST)


@require_safe
def _progress(request: HttpRequest) -> JsonResponse:
    running = Backup.objects.filter(unfinished=True).first()
    return JsonResponse(
        {
            "running": running is not None,
            "state": running.get_state_display() if running else "",
            "step": running.step if running else "",
            "done": running.step_done if running else 0,
            "total": running.step_total if running else 0,
        }
    )
