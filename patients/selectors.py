"""What may be read of patients."""

from __future__ import annotations

import uuid

from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from .models import Erasure, Patient
from .services import identifier_normalize

SEARCH_LIMIT = 50
SORTS = {
    "recent": "-created_at",
    "oldest": "created_at",
    "identifier": "identifier",
    "birth_date": "birth_date",
    "birth_date_desc": "-birth_date",
}


def patients_list(user) -> QuerySet[Patient]:
    """The patients that ``user`` may see, newest first."""
    return Patient.objects.visible_to(user)


def patient_get(user, pk) -> Patient:
    """One patient that ``user`` may see; ``Patient.DoesNotExist`` for all others."""
    waits = Erasure.objects.filter(patient_key=OuterRef("pk"), is_open=True)
    patients = Patient.objects.visible_to(user).select_related("consent_by")
    return patients.annotate(erasure_waits=Exists(waits)).get(pk=pk)


def patient_find(user, key) -> Patient | None:
    """The patient whose key came with a request, as text maybe; ``None`` for what is no such key
    and for a patient that ``user`` may not see."""
    try:
        return patient_get(user, uuid.UUID(str(key)))
    except (ValueError, Patient.DoesNotExist):
        return None


def patients_by_identifier(user, identifier: str) -> QuerySet[Patient]:
    """The patient with exactly this identifier, whatever its case: one row or none."""
    return patients_list(user).filter(identifier__iexact=identifier_normalize(identifier))


def patients_search(user, words: str, *, limit: int = SEARCH_LIMIT) -> list[Patient]:
    """At most ``limit`` patients whose identifier contains ``words``, in its order.

    Without words, the newest patients.
    """
    patients = patients_list(user)
    words = identifier_normalize(words)
    if words:
        patients = patients.filter(identifier__icontains=words).order_by("identifier", "pk")
    return list(patients[:limit])


def with_radiographs(patients: list[Patient]) -> list[Patient]:
    """The same patients with ``radiograph_count`` and ``last_radiograph_on``: one query."""
    known = Patient.objects.filter(pk__in=[patient.pk for patient in patients]).order_by()
    facts = {
        pk: (count, last)
        for pk, count, last in known.annotate(
            count=Count("radiographs"), last=Max("radiographs__acquired_on")
        ).values_list("pk", "count", "last")
    }
    for patient in patients:
        patient.radiograph_count, patient.last_radiograph_on = facts.get(patient.pk, (0, None))
    return patients
