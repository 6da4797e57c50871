"""A doctor's patients, shared with the doctor's practice and taken back."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import Signal

from accounts.models import Doctor
from operations.services import access_record

from .errors import NoPracticeError
from .models import Patient

# Sent with ``patients`` (keys, locked) and ``practice_id`` or ``None`` in the transaction that
# shares them or takes them back: for what repeats a patient's practice.
sharing_changed = Signal()


@transaction.atomic
def patient_share(*, patient: Patient, by, request=None) -> None:
    """Let the members of the doctor's practice see ``patient``, each as the role allows.

    Raises :class:`NoPracticeError`, and ``Patient.DoesNotExist`` for another doctor's patient.
    """
    # Locked: who leaves the practice in this moment leaves before or after, not in between. The
    # patient first, as where a radiograph is stored, whose row then locks its doctor by the key.
    Patient.objects.select_for_update().owned_by(by).get(pk=patient.pk)
    doctor = Doctor.objects.select_for_update().get(pk=by.pk)
    if doctor.practice_id is None:
        raise NoPracticeError
    _set(patient, doctor, doctor.practice_id, "shared", request)


@transaction.atomic
def patient_unshare(*, patient: Patient, by, request=None) -> None:
    """Close ``patient`` to the practice, at once. Raises ``Patient.DoesNotExist``."""
    _set(patient, by, None, "unshared", request)


def patients_lock(sender, *, doctor, practice, **_kwargs) -> list:
    """The keys of the patients whom ``doctor`` shares, locked (``membership_ending``)."""
    shared = Patient.objects.filter(owner=doctor, practice=practice).order_by("pk")
    return list(shared.select_for_update().values_list("pk", flat=True))


def patients_unshare(sender, *, doctor, practice, **_kwargs) -> None:
    """A doctor who leaves a practice takes their patients along (``membership_ended``)."""
    keys = patients_lock(sender, doctor=doctor, practice=practice)
    Patient.objects.filter(owner=doctor, practice=practice).update(practice=None)
    sharing_changed.send(sender=Patient, patients=keys, practice_id=None)


def _set(patient: Patient, doctor, practice_id, reason: str, request) -> None:
    patient = Patient.objects.select_for_update().owned_by(doctor).get(pk=patient.pk)
    if patient.practice_id != practice_id:
        patient.practice_id = practice_id
        patient.save(update_fields=["practice", "updated_at"])
        sharing_changed.send(sender=Patient, patients=[patient.pk], practice_id=practice_id)
        access_record(actor=doctor, action="update", obj=patient, reason=reason, request=request)
