"""Readings and model versions in the admin: looked at, re-queued, promoted; never edited."""

from __future__ import annotations

import json
from functools import partial

from django.contrib import admin, messages
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from operations.readonly_admin import ReadOnlyAdmin, RecordedAdmin
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated

from . import admin_privacy  # noqa: F401
from .admin_decisions import DECISIONS, DisputeFilter, judgements_text
from .admin_statistics import statistics_page
from .models import Analysis, ModelVersion, Promotion, Review
from .services import analysis_requeue, model_promote, model_rollback
from .wording import labels_of, one_of


def may_change(page: ReadOnlyAdmin, request) -> bool:
    """Whether the administrator holds the permission to change rows, as actions do here."""
    return request.user.has_perm(f"{page.opts.app_label}.change_{page.opts.model_name}")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "architecture", "production", "registered_at", "card")
    ordering = ("-registered_at", "-pk")
    fields = (
        "name",
        "version",
        "production",
        "card",
        "architecture",
        "preprocessing_version",
        "sha256",
        "directory",
        "registered_at",
        "facts_by_line",
    )
    actions = ("promote", "rollback")

    @admin.display(boolean=True, description=_("in production"))
    def production(self, version: ModelVersion) -> bool:
        return bool(version.in_production)

    @admin.display(description=_("model card"))
    def card(self, version: ModelVersion) -> str:
        return format_html('<a href="{}">{}</a>', version.card_url(), _("What is known of it"))

    @admin.display(description=_("facts"))
    def facts_by_line(self, version: ModelVersion) -> str:
        text = json.dumps(version.facts, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)

    def has_promote_permission(self, request) -> bool:
        return may_change(self, request)

    @admin.action(description=_("Put into production"), permissions=["promote"])
    @reauthenticated
    def promote(self, request, queryset) -> None:
        versions = list(queryset[:2])
        if len(versions) != 1:
            self.message_user(request, _("Choose one version."), messages.ERROR)
            return
        try:
            promotion = model_promote(model_version=versions[0], by=request.user, request=request)
        except CodedError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self._moved(request, promotion)

    @admin.action(
        description=_("Go back to the version before (whatever is selected)"),
        permissions=["promote"],
    )
    @reauthenticated
    def rollback(self, request, queryset) -> None:
        try:
            promotion = model_rollback(by=request.user, request=request)
        except CodedError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self._moved(request, promotion)

    def _moved(self, request, promotion: Promotion) -> None:
        text = _("%(version)s is in production.") % {"version": promotion.model_version}
        self.message_user(request, text, messages.SUCCESS)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "model_version", "previous", "by")
    list_select_related = ("model_version", "previous", "by")
    ordering = ("-pk",)


@admin.register(Analysis)
class AnalysisAdmin(RecordedAdmin):
    list_display = (
        "id",
        "status",
        "finding",
        "certainty",
        "attempts",
        "error_code",
        "model_version",
        "queued_at",
    )
    list_filter = ("status", "certainty", DisputeFilter)
    list_select_related = ("model_version",)
    search_fields = ("=id", "=radiograph__id")
    ordering = ("-queued_at", "-id")
    exclude = ("map",)
    readonly_fields = ("judgements",)
    raw_id_fields = ("radiograph",)
    actions = ("requeue", *DECISIONS)

    @admin.display(description=_("doctors' judgements"))
    def judgements(self, analysis: Analysis) -> str:
        return format_html("<pre>{}</pre>", judgements_text(analysis))

    @admin.display(description=_("class"), ordering="label")
    def finding(self, analysis: Analysis) -> str:
        """The classes that the reading names, in the words of its page."""
        return one_of(labels_of(analysis)) or "-"

    def get_queryset(self, request):
        return Analysis.objects.visible_to(request.user)

    def has_requeue_permission(self, request) -> bool:
        return may_change(self, request)

    @admin.action(description=_("Queue failed readings again"), permissions=["requeue"])
    def requeue(self, request, queryset) -> None:
        """Each row is looked at again: it must be visible to the administrator and failed."""
        done = refused = 0
        for analysis in queryset.filter(pk__in=self.get_queryset(request).values("pk")):
            try:
                analysis_requeue(analysis=analysis, requested_by=request.user, request=request)
                done += 1
            except CodedError:
                refused += 1
        if done:
            text = ngettext("%d reading was queued.", "%d readings were queued.", done) % done
            self.message_user(request, text, messages.SUCCESS)
        if refused:
            text = ngettext(
                "%d reading has not failed and was left alone.",
                "%d readings have not failed and were left alone.",
                refused,
            )
            self.message_user(request, text % refused, messages.WARNING)

    def has_decide_permission(self, request) -> bool:
        return request.user.has_perm("inference.add_review")


@admin.register(Review)
class ReviewAdmin(RecordedAdmin):
    change_list_template = "admin/inference/review/change_list.html"
    list_display = (
        "created_at",
        "analysis",
        "doctor",
        "kind",
        "verdict",
        "label",
        "reason",
        "counts",
    )
    list_select_related = ("analysis", "doctor")
    list_filter = (
        "kind",
        "verdict",
        "reason",
        "before_reading",
        ("is_current", admin.EmptyFieldListFilter),
    )
    ordering = ("-created_at", "-pk")
    raw_id_fields = ("analysis",)
    fields = (
        "analysis",
        "doctor",
        "kind",
        "verdict",
        "label",
        "reason",
        "comment",
        "region",
        "before_reading",
        "created_at",
        "counts",
    )

    def get_urls(self):
        view = self.admin_site.admin_view(partial(statistics_page, self))
        return [
            path("statistics/", view, name="inference_review_statistics"),
            *super().get_urls(),
        ]

    @admin.display(boolean=True, description=_("counts"))
    def counts(self, review: Review) -> bool:
        """Whether it is its doctor's newest judgement of that analysis."""
        return bool(review.is_current)

    def get_queryset(self, request):
        visible = Analysis.objects.visible_to(request.user)
        return super().get_queryset(request).filter(analysis__in=visible)
