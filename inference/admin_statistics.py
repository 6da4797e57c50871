"""The admin's page of judgements: each model version against what doctors said. No patients."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Doctor

from .models import LABELS, Certainty, Label, ModelVersion, Review
from .statistics import (
    Coverage,
    Judgements,
    coverage_by_version,
    judgements,
    judgements_unseen,
)
from .statistics_charts import Row, rows_of
from .views_statistics import PeriodForm, charts


class JudgementsForm(PeriodForm):
    """The period, and whose judgements; left out, every doctor's."""

    doctor = forms.ModelChoiceField(
        label=gettext_lazy("Doctor"),
        required=False,
        queryset=Doctor.objects.none(),
        empty_label=gettext_lazy("All doctors"),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["period"].widget.attrs = {}
        judges = Review.objects.order_by().values("doctor").distinct()
        self.fields["doctor"].queryset = Doctor.objects.filter(pk__in=judges)


@dataclass(frozen=True)
class VersionReport:
    """One model version against the judgements of its readings."""

    version: ModelVersion
    coverage: Coverage
    found: Judgements
    unseen: Judgements

    @property
    def matrix(self) -> list[dict]:
        """A row for each class that doctors said, a cell for each that the model said."""
        rows = []
        for label, counts in zip(LABELS, self.found.confusion, strict=True):
            total = sum(counts)
            cells = [
                {
                    "read": Label(read).label,
                    "count": count,
                    "share": count / total if total else None,
                    "same": read == label,
                }
                for read, count in zip(LABELS, counts, strict=True)
            ]
            rows.append({"said": Label(label).label, "cells": cells, "total": total})
        return rows

    @property
    def certainty_rows(self) -> list[Row]:
        return rows_of(self.found.by_certainty, {c: Certainty(c).label for c in Certainty.values})


def reports(doctor, found: Judgements, unseen: Judgements) -> list[VersionReport]:
    """One for each version that read something, the newest first; three queries."""
    covered = coverage_by_version(doctor)
    by_version, unseen_by_version = found.by_version(), unseen.by_version()
    none = Judgements([], found.months)
    versions = ModelVersion.objects.filter(pk__in=[*covered, *by_version]).defer("facts")
    return [
        VersionReport(
            version=version,
            coverage=covered.get(version.pk, Coverage()),
            found=by_version.get(version.pk, none),
            unseen=unseen_by_version.get(version.pk, none),
        )
        for version in versions
    ]


def statistics_page(page: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Judgements of all doctors or of one, for who may view reviews."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    form = JudgementsForm(request.GET)
    months = form.months
    doctor = form.cleaned_data.get("doctor")
    found = judgements(doctor=doctor, months=months)
    unseen = judgements(doctor=doctor, months=months, rows=judgements_unseen(doctor))
    context = {
        **page.admin_site.each_context(request),
        "title": _("Judgements in numbers"),
        "opts": page.opts,
        "form": form,
        "doctor": doctor,
        "found": found,
        "unseen": unseen,
        "reports": reports(doctor, found, unseen),
        "labels": [Label(label).label for label in LABELS],
        **charts(found),
    }
    return TemplateResponse(request, "admin/inference/review/statistics.html", context)
