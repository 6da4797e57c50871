"""What may be read of patients."""

from __future__ import annotations

import uuid

from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from .models import EmergencyAccess, Erasure, Patient
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
    """The patients of ``user`` and those whom the practice shares, newest first."""
    return Patient.objects.listed_for(user)


def patient_get(user, pk) -> Patient:
    """One patient that ``user`` may see; ``Patient.DoesNotExist`` for all others."""
    return _one(Patient.objects.visible_to(user), pk)


def patient_treated_get(user, pk) -> Patient:
    """The same where ``user`` may do more than look."""
    return _one(Patient.objects.treated_by(user), pk)


def patient_answered_get(user, pk) -> Patient:
    """The same for who answers for the patient: their doctor, or who owns a program's practice."""
    return _one(Patient.objects.answered_by(user), pk)


def patient_owned_get(user, pk) -> Patient:
    """The same for the patient's own doctor alone."""
    return _one(Patient.objects.owned_by(user), pk)


def _one(patients: QuerySet[Patient], pk) -> Patient:
    waits = Erasure.objects.filter(patient_key=OuterRef("pk"), is_open=True)
    patients = patients.select_related("consent_by", "owner", "practice")
    return patients.annotate(erasure_waits=Exists(waits)).get(pk=pk)


def may_treat(user, patient: Patient) -> bool:
    """What ``treated_by`` says, of a row that is at hand and visible to ``user``."""
    shared = patient.practice_id and patient.practice_id == user.practice_to_change
    return patient.owner_id == user.pk or bool(shared)


def patient_find(user, key, get=patient_get) -> Patient | None:
    """The patient whose key came with a request, as text maybe; ``None`` for what is no such key
    and for a patient that ``user`` may not ``get``."""
    try:
        return get(user, uuid.UUID(str(key)))
    except (ValueError, Patient.DoesNotExist):
        return None


def patients_by_identifier(user, identifier: str) -> QuerySet[Patient]:
    """The patients with exactly this identifier, whatever its case: one of each doctor at most."""
    return patients_list(user).filter(identifier__iexact=identifier_normalize(identifier))


def patients_search(
    user, words: str, *, limit: int = SEARCH_LIMIT, treated: bool = False
) -> list[Patient]:
    """At most ``limit`` patients whose identifier contains ``words``, in its order.

    Without words, the newest patients. ``treated``: those alone of whom ``user`` may send
    radiographs.
    """
    patients = patients_list(user)
    patients = patients.treated_by(user) if treated else patients.select_related("owner")
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


def may_answer(user, patient: Patient) -> bool:
    """What ``answered_by`` says, of a row that is at hand with its owner."""
    program = patient.owner.is_service and patient.practice_id == user.practice_id
    return patient.owner_id == user.pk or (program and user.owns_practice)


def emergency_of(user, patient: Patient) -> EmergencyAccess | None:
    """By which emergency access ``user`` sees ``patient`` now; ``None`` where they may anyway."""
    shared = patient.practice_id and patient.practice_id == user.practice_id
    if patient.owner_id == user.pk or shared or not user.practice_id:
        return None
    return EmergencyAccess.objects.open_to(user).filter(patient=patient).first()


def emergencies_list(user) -> QuerySet[EmergencyAccess]:
    """What ``user`` opened, and what was opened of theirs or in the practice that they own."""
    return EmergencyAccess.objects.visible_to(user).select_related(
        "doctor", "patient__owner", "closed_by"
    )
