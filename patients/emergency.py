"""Emergency access ("break glass"): opened with a reason, for hours, and told to those concerned.

Who opens it names a colleague of the practice, the patient's exact identifier and birth date:
what is unknown or wrong is answered alike, and only so many tries are let through.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.mails import mail_doctor
from accounts.models import Doctor
from accounts.practices.selectors import practice_owners
from operations.services import access_record

from .errors import EmergencyReasonError, EmergencyTriesError, EmergencyUnknownError
from .models import EmergencyAccess, Patient
from .services import identifier_normalize

# The longest that a page takes between the access rule and the record.
LATELY = dt.timedelta(minutes=1)


def emergency_open(
    *,
    by: Doctor,
    colleague,
    identifier: str,
    birth_date: dt.date,
    cause: str,
    comment: str,
    request=None,
) -> EmergencyAccess:
    """Let ``by`` look at one patient of ``colleague`` for ``BREAK_GLASS_HOURS``.

    The patient's doctor and the owners of the practice are told, by mail and on their pages.
    Raises :class:`EmergencyReasonError` without a reason, :class:`EmergencyTriesError` after
    too many tries, :class:`EmergencyUnknownError` for everything that is not found.
    """
    if not comment.strip():
        raise EmergencyReasonError
    _count_try(by)
    with transaction.atomic():
        # Locked and read anew: who has left the practice by now opens nothing.
        doctor = Doctor.objects.select_for_update().get(pk=by.pk)
        patient = _patient(doctor, colleague, identifier, birth_date)
        if patient is not None:
            emergency = _open(doctor, patient, cause, comment, request)
            by.emergency_until = doctor.emergency_until
            return emergency
    access_record(
        actor=by, action="refused", object_type="refusal.emergency", object_id="-", request=request
    )
    raise EmergencyUnknownError


@transaction.atomic
def emergency_close(*, emergency: EmergencyAccess, by, request=None) -> None:
    """End it before its time; twice is once."""
    still = EmergencyAccess.objects.filter(pk=emergency.pk, closed_at=None)
    if still.filter(ends_at__gt=timezone.now()).update(closed_at=timezone.now(), closed_by=by):
        access_record(
            actor=by, action="update", obj=emergency, reason="break_glass_ended", request=request
        )


@transaction.atomic
def emergencies_note(*, by: Doctor, request=None) -> None:
    """Write down that a doctor has seen what was opened; their pages stop saying it."""
    Doctor.objects.filter(pk=by.pk).update(emergency_unseen=False)
    mine = EmergencyAccess.objects.filter(patient__owner=by, seen_at=None)
    keys = list(mine.values_list("pk", flat=True))
    EmergencyAccess.objects.filter(pk__in=keys).update(seen_at=timezone.now())
    for emergency in EmergencyAccess.objects.filter(pk__in=keys):
        access_record(actor=by, action="update", obj=emergency, request=request)


def emergency_reason(actor, patient: str) -> str:
    """``break_glass:<key>`` where ``actor`` sees this patient by it alone, else nothing.

    Registered for the record of access. It asks only for who has opened something lately: one
    that ended while the page was being made still allowed it. Whoever reads one image of the
    patient second as well is taken to have used it: it shows them the rest.
    """
    since = timezone.now() - LATELY
    until, practice = getattr(actor, "emergency_until", None), getattr(actor, "practice_id", None)
    if not (practice and until and until > since):
        return ""
    opened = EmergencyAccess.objects.filter(
        Q(closed_at=None) | Q(closed_at__gt=since), doctor=actor, patient=patient, ends_at__gt=since
    )
    opened = opened.exclude(patient__owner=actor).exclude(patient__practice=practice)
    emergency = opened.order_by("-opened_at", "-pk").first()
    return emergency.reason if emergency else ""


def emergencies_end(sender, *, doctor, practice, **_kwargs) -> None:
    """Who leaves a practice ends what they opened there, and what was opened of theirs."""
    now = timezone.now()
    running = EmergencyAccess.objects.filter(practice=practice, closed_at=None, ends_at__gt=now)
    running.filter(doctor=doctor).update(closed_at=now)
    keys = running.filter(patient__owner=doctor).values_list("pk", flat=True)
    EmergencyAccess.objects.filter(pk__in=list(keys)).update(closed_at=now)


def _patient(doctor: Doctor, colleague, identifier: str, birth_date) -> Patient | None:
    """The colleague's patient; none where they are of different practices by now."""
    if not doctor.may_practise or doctor.practice_id is None:
        return None
    return (
        Patient.objects.filter(
            owner=colleague,
            owner__practice=doctor.practice_id,
            identifier__iexact=identifier_normalize(identifier),
            birth_date=birth_date,
        )
        .exclude(owner=doctor)
        .select_related("owner")
        .first()
    )


def _open(doctor: Doctor, patient: Patient, cause: str, comment: str, request) -> EmergencyAccess:
    emergency = EmergencyAccess(
        patient=patient,
        doctor=doctor,
        practice_id=doctor.practice_id,
        cause=cause,
        comment=comment.strip(),
        ends_at=timezone.now() + dt.timedelta(hours=settings.BREAK_GLASS_HOURS),
    )
    emergency.full_clean(exclude=["patient", "doctor", "practice"])
    emergency.save(force_insert=True)
    doctor.emergency_until = max(doctor.emergency_until or emergency.ends_at, emergency.ends_at)
    doctor.save(update_fields=["emergency_until"])
    access_record(
        actor=doctor,
        action="read",
        obj=patient,
        reason=emergency.reason,
        request=request,
    )
    told = {one.pk: one for one in (patient.owner, *practice_owners(doctor.practice_id))}
    told.pop(doctor.pk, None)
    Doctor.objects.filter(pk__in=told).update(emergency_unseen=True)
    for one in told.values():
        mail_doctor(template="emergency", doctor=one)
    return emergency


def _count_try(by: Doctor) -> None:
    """At most ``BREAK_GLASS_TRIES`` an hour, found or not: nobody leafs through identifiers."""
    key = f"emergency:{by.pk}"
    cache.add(key, 0, 3600)
    try:
        tries = cache.incr(key)
    except ValueError:  # it ended in between
        tries = 1
    if tries > settings.BREAK_GLASS_TRIES:
        raise EmergencyTriesError
