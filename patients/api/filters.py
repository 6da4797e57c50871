"""Filters of the list of patients. There is none by identifier: see ``patients/search/``."""

from __future__ import annotations

import django_filters

from patients.models import Patient
from pneumoniapp.api.filters import DayFilter, IsoDateFilter


class PatientFilters(django_filters.FilterSet):
    sex = django_filters.ChoiceFilter(choices=Patient.Sex.choices, help_text="DICOM (0010,0040).")
    birth_date_from = IsoDateFilter("birth_date", "gte", help_text="Born on this day or later.")
    birth_date_to = IsoDateFilter("birth_date", "lte", help_text="Born on this day or earlier.")
    created_from = DayFilter("created_at", "gte", help_text="Recorded on this day or later.")
    created_to = DayFilter("created_at", "lte", help_text="Recorded on this day or earlier.")

    class Meta:
        model = Patient
        fields: list[str] = []
