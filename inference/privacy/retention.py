"""What is kept no longer: patients whose term of retention is over."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from patients.models import Erasure, Patient
from patients.retention import with_retention

from .erasure import erasure_carry_out


@dataclass(frozen=True)
class Overdue:
    """A patient's key, how many radiographs there are, and the last day of the term."""

    key: uuid.UUID
    radiographs: int
    until: dt.date


def overdue() -> Iterator[Overdue]:
    """Every patient whose term is over; nothing is changed."""
    today = timezone.localdate()
    # Nobody is overdue whose record is younger than the term.
    horizon = dt.date(max(today.year - settings.RETENTION_AGE, 1), today.month, 1)
    born = Patient.objects.filter(birth_date__lt=horizon + dt.timedelta(days=31))
    for patient, until in with_retention(born):
        if until < today:
            yield Overdue(patient.pk, patient.radiographs.count(), until)


def retention_run(*, by=None) -> Iterator[Overdue]:
    """Erase every patient whose term is over, one transaction each; yields each when erased."""
    for entry in list(overdue()):
        patient = Patient.objects.filter(pk=entry.key).first()
        if patient is None:
            continue
        erasure = Erasure.objects.filter(patient_key=entry.key, is_open=True).first()
        erasure = erasure or Erasure.objects.create(
            patient_key=entry.key,
            owner_id=patient.owner_id,
            cause=Erasure.Cause.TERM,
            due_on=entry.until,
            requested_by=by,
        )
        erasure_carry_out(erasure=erasure, by=by)
        yield entry
