"""What may be done to patients."""

from __future__ import annotations

import datetime as dt
import unicodedata

from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.services import access_record

from .errors import (
    BirthDateAfterRadiographError,
    BirthDateInFutureError,
    BirthDateTooEarlyError,
    IdentifierOfOwnerError,
    PatientConflictError,
    PatientErasedError,
    PatientExistsError,
)
from .models import Patient
from .treating import treatment_hold

EARLIEST_BIRTH_YEAR = 1880


def identifier_normalize(identifier: str) -> str:
    """One spelling of one identifier: composed characters (NFC), no stray spaces."""
    return " ".join(unicodedata.normalize("NFC", identifier).split())


@transaction.atomic
def patient_create(
    *, owner, identifier: str, sex: str, birth_date: dt.date, training_consent="", request=None
) -> Patient:
    """Make a patient of ``owner`` and record who did (``request`` only feeds the record).

    ``training_consent``: see :class:`Patient`; not known unless given.

    Raises the coded errors of :mod:`patients.errors`, and ``ValidationError`` for a field
    that its own validators refuse.
    """
    patient = Patient(
        owner=owner,
        identifier=identifier_normalize(identifier),
        sex=sex,
        birth_date=birth_date,
        # What a program records belongs to the practice; a doctor shares one by one.
        practice_id=owner.practice_id if owner.is_service else None,
    )
    changed = _consent(patient, training_consent, owner)
    _save(patient)
    access_record(actor=owner, action="create", obj=patient, request=request)
    if changed:
        _consent_record(patient, owner, request)
    return patient


def patient_known(*, owner, identifier: str, sex: str, birth_date: dt.date) -> Patient | None:
    """The patient whom ``owner`` knows by ``identifier``, if there is one.

    Raises :class:`PatientConflictError` when sex or birth date differ from what is known.
    """
    patient = (
        Patient.objects.owned_by(owner)
        .filter(identifier__iexact=identifier_normalize(identifier))
        .first()
    )
    if patient is not None and (patient.sex, patient.birth_date) != (sex, birth_date):
        raise PatientConflictError
    return patient


def patient_get_or_create(
    *, owner, identifier: str, sex: str, birth_date: dt.date, training_consent="", request=None
) -> Patient:
    """The patient whom ``owner`` knows by ``identifier``, made if there is none.

    Nothing known is overwritten. Raises what :func:`patient_known` and
    :func:`patient_create` raise.
    """
    who = {"owner": owner, "identifier": identifier, "sex": sex, "birth_date": birth_date}
    if patient := patient_known(**who):
        return patient
    try:
        return patient_create(**who, training_consent=training_consent, request=request)
    except PatientExistsError:  # made by another request meanwhile
        return patient_known(**who)


@transaction.atomic
def patient_update(
    *,
    patient: Patient,
    by,
    identifier: str,
    sex: str,
    birth_date: dt.date,
    training_consent="",
    request=None,
) -> Patient:
    """Correct what is known of a patient.

    ``training_consent``: what the patient says now; by default it stays as it was. A change
    is an event of its own in the record of access, with its reason (``consent_withdrawn``).

    Raises what :func:`patient_create` raises, :class:`BirthDateAfterRadiographError` when
    a radiograph of the patient would be older than the patient, :class:`PatientErasedError`,
    ``TreatmentEndedError``, and :class:`IdentifierOfOwnerError` for a colleague who would change
    the identifier.
    """
    treatment_hold(user=by, owner_id=patient.owner_id, patient=lambda: patient, only_way=True)
    # Django would write a row that is gone anew: whom somebody erased meanwhile stays away.
    if not Patient.objects.select_for_update().filter(pk=patient.pk).exists():
        raise PatientErasedError
    identifier = identifier_normalize(identifier)
    # What another's records call a patient is theirs; a refusal would tell of those not shared.
    if identifier != patient.identifier and not Patient.objects.answered_by(by).filter(
        pk=patient.pk
    ):
        raise IdentifierOfOwnerError
    patient.identifier = identifier
    patient.sex = sex
    patient.birth_date = birth_date
    if patient.radiographs.filter(acquired_on__lt=birth_date).exists():
        raise BirthDateAfterRadiographError
    changed = _consent(patient, training_consent, by)
    _save(patient)
    access_record(actor=by, action="update", obj=patient, request=request)
    if changed:
        _consent_record(patient, by, request)
    return patient


def _consent(patient: Patient, consent: str, by) -> bool:
    """Set what the patient says of training, when and to whom; whether it changed."""
    if consent in ("", patient.training_consent):
        return False
    patient.training_consent = consent
    patient.consent_at, patient.consent_by = timezone.now(), by
    return True


def _consent_record(patient: Patient, by, request) -> None:
    reason = f"consent_{patient.training_consent}"
    access_record(actor=by, action="update", obj=patient, reason=reason, request=request)


# What a correction writes: never back whose the patient is, or with whom they are shared.
WRITTEN = (
    *("identifier", "sex", "birth_date", "training_consent", "consent_at", "consent_by"),
    "updated_at",
)


def _save(patient: Patient) -> None:
    patient.full_clean(validate_constraints=False)
    _check_birth_date(patient.birth_date)
    # Databases differ in whether "a1" equals "A1": for a doctor's records it always does.
    namesakes = Patient.objects.filter(owner=patient.owner, identifier__iexact=patient.identifier)
    if namesakes.exclude(pk=patient.pk).exists():
        raise PatientExistsError
    try:
        with transaction.atomic():
            patient.save(update_fields=None if patient._state.adding else WRITTEN)
    except IntegrityError as error:
        raise PatientExistsError from error


def _check_birth_date(birth_date: dt.date) -> None:
    if birth_date > timezone.localdate():
        raise BirthDateInFutureError
    if birth_date.year < EARLIEST_BIRTH_YEAR:
        raise BirthDateTooEarlyError(year=EARLIEST_BIRTH_YEAR)
