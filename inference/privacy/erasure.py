"""Erasing a patient: all rows in one transaction, then the files, and nobody comes back.

What keeps a killed process from leaving half of it: the transaction that removes the rows also
writes down which folders are to be emptied, and a sweeper empties them, again and again until
no reading that was under way can add a file.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.mails import mail_administrators
from inference.models import Analysis
from operations.backup.tombstones import tombstone_keep, tombstones_kept
from operations.services import access_record
from operations.storage import stored_files
from patients.errors import ErasureDecidedError, ErasureOpenError, ErasureReasonError
from patients.models import Erasure, Patient, Tombstone
from patients.retention import retention_end_of
from radiology.models import Radiograph, Upload
from radiology.uploads import upload_delete

from .rows import related

State = Erasure.State
# Files are removed at once, and once more when whatever worked on them has ended.
SETTLED = timedelta(seconds=2 * settings.ANALYSIS_TIME_LIMIT)
# An upload that nothing came to for so long is of nobody's page any more.
IDLE_UPLOAD = timedelta(hours=1)

log = structlog.get_logger(__name__)


def erasure_request(
    *, patient: Patient, by, cause: str, comment: str = "", request=None
) -> Erasure:
    """Ask for a patient's data to be erased; past the term of retention it is, at once.

    Before, the request waits for an administrator, who are told. Raises
    :class:`ErasureOpenError` when one waits already, :class:`ErasureReasonError` when another
    cause is not said.
    """
    if cause == Erasure.Cause.OTHER and not comment.strip():
        raise ErasureReasonError
    with transaction.atomic():
        # Locked: a radiograph that comes in this moment comes before, and counts, or never.
        patient = Patient.objects.select_for_update().get(pk=patient.pk)
        erasure = Erasure(
            patient_key=patient.pk,
            owner_id=patient.owner_id,
            cause=cause,
            comment=comment.strip(),
            due_on=retention_end_of(patient),
            requested_by=by,
        )
        erasure.full_clean(exclude=["owner", "requested_by"], validate_constraints=False)
        try:
            with transaction.atomic():
                erasure.save(force_insert=True)
        except IntegrityError as error:
            raise ErasureOpenError from error
        access_record(
            actor=by,
            action="update",
            obj=patient,
            reason=f"erasure_asked:{erasure.pk}",
            request=request,
        )
        if erasure.due_on < timezone.localdate():
            return erasure_carry_out(erasure=erasure, by=by, request=request)
        mail_administrators(
            template="erasure", link=request.build_absolute_uri("/admin/") if request else ""
        )
    return erasure


def erasure_refuse(*, erasure: Erasure, by, reason: str, request=None) -> Erasure:
    """Keep the data, for a ``reason`` that is written down. Raises as :func:`erasure_decide`."""
    with transaction.atomic():
        _decide(erasure, State.REFUSED, by, reason)
        access_record(
            actor=by,
            action="update",
            obj=erasure,
            reason=f"erasure_refused:{erasure.pk}",
            request=request,
        )
    return erasure


def erasure_decide(*, erasure: Erasure, by, reason: str, request=None) -> Erasure:
    """Erase before the term, for a ``reason`` that is written down.

    Raises :class:`ErasureReasonError` without one and :class:`ErasureDecidedError` when it
    is decided already.
    """
    if not reason.strip():
        raise ErasureReasonError
    return erasure_carry_out(erasure=erasure, by=by, reason=reason, request=request)


def erasure_carry_out(*, erasure: Erasure, by, reason: str = "", request=None) -> Erasure:
    """Remove every row of the patient, all or none; the files follow.

    The record of access keeps its events, which hold keys alone.
    """
    with transaction.atomic():
        _decide(erasure, State.ERASING, by, reason or str(erasure.due_on))
        Patient.objects.select_for_update().filter(pk=erasure.patient_key).first()
        erasure.folders = _folders(erasure.patient_key)
        erasure.counts = _rows_delete(erasure.patient_key)
        erasure.comment = ""
        erasure.save(update_fields=["folders", "counts", "comment"])
        Tombstone.objects.get_or_create(digest=tombstone(erasure.patient_key))
        access_record(
            actor=by,
            action="delete",
            object_type="patients.patient",
            object_id=erasure.patient_key,
            patient=erasure.patient_key,
            reason=f"erasure:{erasure.pk}",
            request=request,
        )
        transaction.on_commit(lambda: _files_remove(erasure), robust=True)
    return erasure


def erasures_sweep() -> int:
    """Remove the files of erased patients; returns how many are done with.

    What fails is tried again at the next turn.
    """
    done = 0
    for erasure in Erasure.objects.filter(state=State.ERASING):
        try:
            tombstone_keep(tombstone(erasure.patient_key))
            left = _files_remove(erasure)
        except Exception:
            log.warning("erasure_unfinished", erasure=str(erasure.pk), exc_info=True)
            continue
        if not left and erasure.decided_at < timezone.now() - SETTLED:
            done += Erasure.objects.filter(pk=erasure.pk, state=State.ERASING).update(
                state=State.DONE, folders=[]
            )
    return done


def erasures_repeat() -> int:
    """Erase again who was erased before and is back, out of an older backup; how many."""
    known = set(Tombstone.objects.values_list("digest", flat=True)) | tombstones_kept()
    if not known:
        return 0
    again = [
        patient
        for patient in Patient.objects.order_by("pk").iterator()
        if known.intersection(tombstones(patient.pk))
    ]
    for patient in again:
        Erasure.objects.filter(patient_key=patient.pk, state=State.PENDING).delete()
        erasure = Erasure.objects.create(
            patient_key=patient.pk,
            owner_id=patient.owner_id,
            cause=Erasure.Cause.BACKUP,
            due_on=retention_end_of(patient),
        )
        erasure_carry_out(erasure=erasure, by=None)
    return len(again)


def tombstone(key, secret: str | None = None) -> str:
    """The keyed hash by which an erased patient is known."""
    return salted_hmac(
        "pneumoniapp.erased", str(key), secret=secret, algorithm="sha256"
    ).hexdigest()


def tombstones(key) -> set[str]:
    """The same under every secret key that the settings know."""
    return {tombstone(key, secret) for secret in (None, *settings.SECRET_KEY_FALLBACKS)}


def _decide(erasure: Erasure, state: str, by, reason: str) -> None:
    if not reason.strip():
        raise ErasureReasonError
    erasure.state, erasure.decided_by, erasure.decision = state, by, reason.strip()
    erasure.decided_at, erasure.is_open = timezone.now(), None
    erasure.clean_fields(exclude=["owner", "requested_by", "decided_by", "comment"])
    decided = Erasure.objects.filter(pk=erasure.pk, state=State.PENDING).update(
        state=state,
        decided_by=by,
        decision=erasure.decision,
        decided_at=erasure.decided_at,
        is_open=None,
    )
    if not decided:
        raise ErasureDecidedError


def _folders(patient_key) -> list[str]:
    """Where the patient's files lie, those that a reading under way is about to add included."""
    radiographs = Radiograph.objects.filter(patient=patient_key).values_list("pk", flat=True)
    analyses = Analysis.objects.filter(radiograph__patient=patient_key).values_list("pk", flat=True)
    return [
        f"{folder}/{key.hex[-2:]}/{key}"
        for folder, keys in (("radiographs", radiographs), ("analyses", analyses))
        for key in keys.order_by("pk")
    ]


def _rows_delete(patient_key) -> dict[str, int]:
    """Delete every row below the patient, the deepest first; how many of which table."""
    counts: Counter[str] = Counter()
    for table in sorted(related(Patient), key=lambda one: -one.depth):
        rows = table.model._base_manager.filter(**{table.path: patient_key})
        counts[table.model._meta.label_lower] += rows.delete()[0]
    counts["patients.patient"] = Patient.objects.filter(pk=patient_key).delete()[0]
    return dict(counts)


def _files_remove(erasure: Erasure) -> int:
    """Empty the folders; how many files were there. Idle pieces of the doctor's uploads go too."""
    removed = 0
    for folder in erasure.folders:
        for file in list(stored_files(folder)):
            default_storage.delete(file.name)
            removed += 1
        default_storage.delete(folder)  # The folder itself, where the storage has any.
    idle = Upload.objects.filter(
        owner=erasure.owner_id, changed_at__lt=timezone.now() - IDLE_UPLOAD
    )
    for upload in idle:
        upload_delete(upload=upload)
    return removed
