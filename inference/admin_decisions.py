"""Decisions of administrators where doctors judge a reading differently."""

from __future__ import annotations

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from operations.services import access_record
from pneumoniapp.errors import CodedError

from .agreement import in_dispute
from .models import Analysis, Label
from .services import review_decide


class DisputeFilter(admin.SimpleListFilter):
    """The readings that wait for a decision, or for a third judgement."""

    title = _("doctors' judgements")
    parameter_name = "judgements"

    def lookups(self, request, model_admin):
        return [("differ", _("differ, and nobody has decided"))]

    def queryset(self, request, queryset):
        return in_dispute(queryset) if self.value() == "differ" else queryset


def _action(label: str, name: str):
    @admin.action(description=_("Decide: %(label)s") % {"label": name}, permissions=["decide"])
    def decide(self, request, queryset) -> None:
        """Each row is looked at again: visible to the administrator, and in dispute."""
        done = refused = 0
        for analysis in queryset.filter(pk__in=self.get_queryset(request).values("pk")):
            access_record(actor=request.user, action="read", obj=analysis, request=request)
            try:
                review_decide(analysis=analysis, by=request.user, label=label, request=request)
                done += 1
            except CodedError:
                refused += 1
        if done:
            text = ngettext("%d reading was decided.", "%d readings were decided.", done) % done
            self.message_user(request, text, messages.SUCCESS)
        if refused:
            text = ngettext(
                "%d reading is not in dispute and was left alone.",
                "%d readings are not in dispute and were left alone.",
                refused,
            )
            self.message_user(request, text % refused, messages.WARNING)

    decide.__name__ = f"decide_{label}"
    return decide


DECISIONS = tuple(_action(label, name) for label, name in Label.choices)


def judgements_text(analysis: Analysis) -> str:
    """Who judged what, one a line, for the administrator who decides."""
    reviews = analysis.reviews.select_related("doctor").order_by("created_at", "pk")
    standing = [one for one in reviews if one.is_current or one.kind == one.Kind.DECISION]
    return "\n".join(
        f"{one.doctor}: {one.get_label_display()} ({one.get_kind_display()})"
        + (f" - {one.get_reason_display()}" if one.reason else "")
        + (f" - {one.comment}" if one.comment else "")
        for one in standing
    )
