"""A doctor's own judgements in numbers: a page, and the same as a file."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.access import practising_doctor_required
from pneumoniapp.spreadsheets import csv_text

from .models import LABELS, Label
from .statistics import Judgements, judgements, judgements_unseen
from .statistics_charts import month_chart, rows_of

DEFAULT_MONTHS = 12


class PeriodForm(forms.Form):
    """Up to when back judgements are counted; left out, or unknown, the last 12 months."""

    period = forms.ChoiceField(
        label=gettext_lazy("Period"),
        required=False,
        choices=[
            ("3", gettext_lazy("Last 3 months")),
            ("", gettext_lazy("Last 12 months")),
            ("36", gettext_lazy("Last 3 years")),
            ("all", pgettext_lazy("period", "All the time")),
        ],
        widget=forms.Select(attrs={"data-submit-on-change": ""}),
    )

    @property
    def months(self) -> int | None:
        """How many months, this one included; ``None`` for all."""
        period = self.cleaned_data.get("period", "") if self.is_valid() else ""
        return None if period == "all" else int(period or DEFAULT_MONTHS)


@require_GET
@never_cache
@practising_doctor_required
def statistics(request: HttpRequest) -> HttpResponse:
    """What the doctor judged, agreed with and contested, by class and month."""
    form = PeriodForm(request.GET)
    found = judgements(doctor=request.user, months=form.months)
    unseen = judgements(months=form.months, rows=judgements_unseen(request.user))
    context = {"form": form, "found": found, "unseen": unseen.total, **charts(found)}
    return render(request, "statistics/statistics.html", context)


@require_GET
@never_cache
@practising_doctor_required
def statistics_csv(request: HttpRequest) -> HttpResponse:
    """The numbers of the page, a line for each month and class."""
    found = judgements(doctor=request.user, months=PeriodForm(request.GET).months)
    heads = [
        pgettext("count", "Judged"),
        pgettext("count", "Agreed"),
        pgettext("count", "Contested"),
    ]
    lines = [[_("Month"), _("Class of the reading"), *heads]]
    for (month, label), tally in found.by_class_and_month.items():
        counts = [str(n) for n in (tally.judged, tally.agreed, tally.contested)]
        lines.append([f"{month:%Y-%m}", str(Label(label).label), *counts])
    # A byte order mark tells spreadsheets that it is UTF-8.
    response = HttpResponse("\ufeff" + csv_text(lines), content_type="text/csv; charset=utf-8")
    name = f"judgements-{timezone.localdate():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def charts(found: Judgements) -> dict:
    """What the templates of the charts need."""
    return {
        "month_chart": month_chart(found.by_month),
        "class_rows": rows_of(found.by_class, {label: Label(label).label for label in LABELS}),
    }
