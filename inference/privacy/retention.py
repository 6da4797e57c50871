"""What is kept no longer: patients whose term of retention is over."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from patients.models import Erasure, Patient
from patients.retention import retention_end_at, retention_over

from .erasure import erasure_carry_out


@dataclass(frozen=True)
class Overdue:
    """A patient's key, how many radiographs there are, and the last day of the term."""

    key: uuid.UUID
    radiographs: int
    until: dt.date


def overdue(patients: QuerySet[Patient] | None = None) -> Iterator[Overdue]:
    """Every patient whose term is over, or those among ``patients``; nothing is changed."""
    rows = retention_over(Patient.objects if patients is None else patients).order_by("pk")
    for patient in rows.iterator(chunk_size=1000):
        yield Overdue(patient.pk, patient.radiographs_kept, retention_end_at(patient))


def retention_run(*, by=None) -> Iterator[Overdue]:
    """Erase every patient whose term is over, one transaction each; yields each when erased."""
    for key in [entry.key for entry in overdue()]:
        with transaction.atomic():
            # Locked and asked again: a radiograph that came since begins the term anew.
            patient = Patient.objects.select_for_update().filter(pk=key).first()
            entry = next(overdue(Patient.objects.filter(pk=key)), None)
            if patient is None or entry is None:
                continue
            erasure = Erasure.objects.filter(patient_key=key, is_open=True).first()
            erasure = erasure or Erasure.objects.create(
                patient_key=key,
                owner_id=patient.owner_id,
                cause=Erasure.Cause.TERM,
                due_on=entry.until,
                requested_by=by,
            )
            erasure_carry_out(erasure=erasure, by=by)
        yield entry
