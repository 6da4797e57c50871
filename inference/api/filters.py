"""Filters of the lists of radiographs and analyses."""

from __future__ import annotations

import django_filters

from inference.models import Analysis, Certainty, Label
from inference.selectors import FINDINGS, Whose
from patients.models import Patient
from pneumoniapp.api.filters import IsoDateFilter, VisibleFilter
from radiology.models import Radiograph

CERTAINTY_HELP = (
    "How far the reading may be believed: `certain`, `uncertain`, `unlike`; for versions without "
    "sets `high`, `moderate`, `low`."
)


def whose_of(request, one: str) -> Whose:
    """Of whose patients a list is; where parameter ``one`` names a single row, of any."""
    if request.query_params.get(one, "").strip():
        return Whose.KNOWN
    asked = request.query_params.get("whose", "")
    return Whose.PRACTICE if asked == Whose.PRACTICE else Whose.MINE


def patient_of(request, one: str, page: list[Analysis]):
    """The patient of all rows of a list that parameter ``one`` narrows to one; else nothing."""
    narrow = page and whose_of(request, one) == Whose.KNOWN
    return page[0].audit_patient_id if narrow else ""


class ReadingFilters(django_filters.FilterSet):
    """Asked by class or certainty, only readings that the doctor gets to see are found."""

    whose = django_filters.ChoiceFilter(
        choices=[(one.value, one.label) for one in (Whose.MINE, Whose.PRACTICE)],
        method="chosen_before",
        help_text="`mine`, or `practice`: of all patients that your practice shares.",
    )

    def chosen_before(self, queryset, _name, _value):
        """The queryset that comes here is that of ``whose_of`` already."""
        return queryset

    def filter_queryset(self, queryset):
        queryset = super().filter_queryset(queryset)
        asked = any(self.form.cleaned_data.get(name) for name in FINDINGS)
        return queryset.revealed_to(self.request.user) if asked else queryset


class RadiographFilters(ReadingFilters):
    patient = VisibleFilter(
        "radiograph__patient_id", model=Patient, help_text="Radiographs of this patient."
    )
    status = django_filters.ChoiceFilter(
        choices=Analysis.Status.choices, help_text="The status of the newest analysis."
    )
    label = django_filters.ChoiceFilter(choices=Label.choices, help_text="Its class.")
    certainty = django_filters.ChoiceFilter(choices=Certainty.choices, help_text=CERTAINTY_HELP)
    acquired_from = IsoDateFilter(
        "radiograph__acquired_on", "gte", help_text="Taken on this day or later."
    )
    acquired_to = IsoDateFilter(
        "radiograph__acquired_on", "lte", help_text="Taken on this day or earlier."
    )

    class Meta:
        model = Analysis
        fields: list[str] = []


class AnalysisFilters(ReadingFilters):
    radiograph = VisibleFilter(
        "radiograph_id", model=Radiograph, help_text="Analyses of this radiograph."
    )
    status = django_filters.ChoiceFilter(choices=Analysis.Status.choices)
    label = django_filters.ChoiceFilter(choices=Label.choices, help_text="The class.")
    certainty = django_filters.ChoiceFilter(choices=Certainty.choices, help_text=CERTAINTY_HELP)

    class Meta:
        model = Analysis
        fields: list[str] = []
