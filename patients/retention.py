"""How long a patient's record has to be kept."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone

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
    rows = Patient.objects.filter(pk=patient.pk)
    return retention_end_at(rows.annotate(last_on=Max("radiographs__acquired_on")).get())


def retention_end_at(patient: Patient) -> dt.date:
    """The same of a row with ``last_on``, the day of the last radiograph."""
    last = patient.last_on or timezone.localdate(patient.created_at)
    return retention_end(birth_date=patient.birth_date, last=last)


def retention_over(patients: QuerySet[Patient]) -> QuerySet[Patient]:
    """Those whose term was over yesterday, with ``last_on`` and the number of ``radiographs_kept``.

    The database finds them, by the same days as :func:`retention_end`.
    """
    today = timezone.localdate()
    if max(settings.RETENTION_YEARS, settings.RETENTION_AGE) >= today.year:
        return patients.none()
    since = _first_day_that_lasts(today, settings.RETENTION_YEARS)
    radiographs = Patient.radiographs.rel.related_model._base_manager.filter(patient=OuterRef("pk"))
    midnight = timezone.make_aware(dt.datetime.combine(since, dt.time()))
    return (
        patients.filter(birth_date__lt=_first_day_that_lasts(today, settings.RETENTION_AGE))
        .exclude(Exists(radiographs.filter(acquired_on__gte=since)))
        .filter(Q(created_at__lt=midnight) | Exists(radiographs))
        .annotate(last_on=Max("radiographs__acquired_on"), radiographs_kept=Count("radiographs"))
    )


def _first_day_that_lasts(today: dt.date, years: int) -> dt.date:
    """The first day from which ``years`` are not over before ``today``."""
    day = _years_later(today, -years)
    before = day - dt.timedelta(days=1)
    return before if _years_later(before, years) >= today else day


def _years_later(day: dt.date, years: int) -> dt.date:
    year = min(day.year + years, dt.MAXYEAR)
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return dt.date(year, 3, 1)
