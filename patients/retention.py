"""How long a patient's record has to be kept."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Max, QuerySet

from .models import Patient


def retention_end(*, birth_date: dt.date, last: dt.date) -> dt.date:
    """The day until which the record is kept; from the next day on it may be erased.

    ``last``: the day of the last radiograph, or else the one on which the patient was recorded.
    ``RETENTION_YEARS`` after it, and not before the birthday that ``RETENTION_AGE`` names: 20
    years and 28 in French law (Code de la santé publique, article R1112-7).
    """
    term = _years_later(last, settings.RETENTION_YEARS)
    return max(term, _years_later(birth_date, settings.RETENTION_AGE))


def retention_end_of(patient: Patient) -> dt.date:
    return next(with_retention(Patient.objects.filter(pk=patient.pk)))[1]


def with_retention(patients: QuerySet[Patient]):
    """Each of ``patients`` with the end of the term, in the order of their keys."""
    rows = patients.order_by("pk").annotate(last_on=Max("radiographs__acquired_on"))
    for patient in rows.iterator(chunk_size=1000):
        last = patient.last_on or patient.created_at.date()
        yield patient, retention_end(birth_date=patient.birth_date, last=last)


def _years_later(day: dt.date, years: int) -> dt.date:
    year = min(day.year + years, dt.MAXYEAR)
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return dt.date(year, 3, 1)
