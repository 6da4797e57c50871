"""Writes of radiographs."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO

import structlog
from django.core.files import File
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from operations.services import access_record
from patients.errors import PatientErasedError
from patients.models import Patient
from patients.treating import practice_held, treatment_hold

from .dicom.deidentify import write_deidentified
from .dicom.header import Header
from .errors import (
    AcquiredOnMissingError,
    AcquisitionInFutureError,
    BirthDateAfterAcquisitionError,
    PatientMismatchError,
    RadiographOfAnotherPatientError,
    SopInstanceUidConflictError,
    StorageUnavailableError,
)
from .intake import Incoming, examine
from .models import Radiograph
from .warnings import AGE_TOLERANCE, OF_THE_PATIENT, age_in_years

# A de-identified file up to this size is made in memory, a larger one in a temporary file.
SPOOL = 8 * 1024 * 1024

log = structlog.get_logger(__name__)
_new_files: ContextVar[list | None] = ContextVar("radiology_new_files", default=None)


@contextmanager
def files_removed_on_failure() -> Iterator[None]:
    """Files that radiographs store inside the block are removed again when it fails.

    A storage knows nothing of transactions: put it around the outermost ``atomic`` block.
    """
    outer, mine = _new_files.get(), []
    token = _new_files.set(mine)
    try:
        yield
    except BaseException:
        for file in mine:
            _remove(file)
        raise
    finally:
        _new_files.reset(token)
    if outer is not None:
        outer.extend(mine)


def _remove(file) -> None:
    try:
        file.storage.delete(file.name)
    except Exception:
        log.warning("file_left_behind", exc_info=True)


@contextmanager
def radiograph_stored(
    *,
    patient: Patient,
    uploaded_by,
    file: BinaryIO | Incoming,
    acquired_on: dt.date | None = None,
    confirm_mismatch: bool = False,
    request: HttpRequest | None = None,
) -> Iterator[tuple[Radiograph, bool]]:
    """Store one received DICOM file for ``patient``: (radiograph, whether it is new).

    The block runs in the transaction of the row, with room for more rows. The file is stored
    before that transaction begins, so that nobody waits for a slow storage; it is removed
    again when the transaction fails.

    - ``file``: a seekable file, or what ``radiology.intake.examine`` made of it before the
      transaction began.
    - ``acquired_on``: the day of the radiograph; by default the one in its header.
    - ``confirm_mismatch``: whoever sends it has been told that the header's birth date, sex or
      age is not the patient's, and says that the file is this patient's all the same.
    - ``request`` only feeds the record of access.

    A file whose SOP Instance UID this doctor has already is that radiograph, and nothing is
    written. What disagrees with the patient stands in ``warnings``; the patient is never
    changed. Only the de-identified file is stored. Either both row and file stay or neither;
    inside a transaction of the caller's, that takes :func:`files_removed_on_failure`
    around it.

    Raises the coded errors of ``radiology.errors``: why the file is refused, an impossible
    date, ``PatientMismatchError``, ``SopInstanceUidConflictError``,
    ``RadiographOfAnotherPatientError``, ``StorageUnavailableError``; and ``PatientErasedError``,
    ``TreatmentEndedError``.
    """
    incoming = file if isinstance(file, Incoming) else examine(file)
    radiograph = _existing(patient, incoming)
    if radiograph is None:
        day = acquired_on or incoming.header.acquired_on
        _check_day(day, patient)
        radiograph = _radiograph(patient, uploaded_by, incoming, day)
        found = disagreements(incoming.header, patient, acquired_on)
        if not confirm_mismatch:
            _check_patient(found)
        radiograph.warnings = [*incoming.header.warnings, *found]
        with files_removed_on_failure():
            _store_file(radiograph, incoming)
            with transaction.atomic():
                treatment_hold(user=uploaded_by, owner_id=patient.owner_id, patient=lambda: patient)
                _check_erased(patient)
                if _inserted(radiograph):
                    access_record(
                        actor=uploaded_by, action="create", obj=radiograph, request=request
                    )
                    yield radiograph, True
                    return
        # The same file came at the same moment and was first.
        _remove(radiograph.file)
        radiograph = _existing(patient, incoming)
    with transaction.atomic():
        treatment_hold(user=uploaded_by, owner_id=patient.owner_id, patient=lambda: patient)
        yield radiograph, False


def disagreements(
    header: Header, patient: Patient, acquired_on: dt.date | None = None
) -> list[dict]:
    """What the header says otherwise than the doctor, as entries of ``Radiograph.warnings``.

    ``file`` is the header's value and ``given`` the doctor's, dates as ISO 8601. The age
    is compared only where the header has no birth date, with a year to spare.
    """
    found = []

    def differ(code: str, file, given) -> None:
        found.append({"code": code, "file": file, "given": given})

    day = header.acquired_on or acquired_on
    if header.patient_birth_date:
        if header.patient_birth_date != patient.birth_date:
            differ(
                "birth_date_mismatch",
                header.patient_birth_date.isoformat(),
                patient.birth_date.isoformat(),
            )
    elif header.patient_age_years is not None and day:
        age = age_in_years(patient.birth_date, day)
        if abs(age - header.patient_age_years) > AGE_TOLERANCE:
            differ("age_mismatch", header.patient_age_years, age)
    if header.patient_sex and header.patient_sex != patient.sex:
        differ("sex_mismatch", header.patient_sex, patient.sex)
    if acquired_on and header.acquired_on and acquired_on != header.acquired_on:
        differ("acquired_on_mismatch", header.acquired_on.isoformat(), acquired_on.isoformat())
    return found


def _existing(patient: Patient, incoming: Incoming) -> Radiograph | None:
    """The radiograph that this file is already; the same bytes have the same UID."""
    known = Radiograph.objects.filter(
        owner=patient.owner_id, sop_instance_uid=incoming.header.sop_instance_uid
    )
    # Nearly always there is none: asked with as little as possible.
    found = known.values_list("pk", "pixel_sha256", "patient_id")[:1]
    for pk, pixel_sha256, patient_id in found:
        if pixel_sha256 != incoming.inspection.pixels.sha256:
            raise SopInstanceUidConflictError
        if patient_id != patient.pk:
            raise RadiographOfAnotherPatientError
        return Radiograph.objects.select_related("patient").get(pk=pk)
    return None


def _check_patient(entries: list[dict]) -> None:
    of_the_patient = tuple(entry for entry in entries if entry["code"] in OF_THE_PATIENT)
    if of_the_patient:
        error = PatientMismatchError()
        error.entries = of_the_patient
        raise error


def _check_erased(patient: Patient) -> None:
    """Where the database looks at foreign keys only when it commits, this has to be asked.

    Locked, since an upload that had only looked could not lock any more beside another one.
    """
    try:
        practice_held(patient.pk)
    except Patient.DoesNotExist as error:
        raise PatientErasedError from error


def _check_day(day: dt.date | None, patient: Patient) -> None:
    if day is None:
        raise AcquiredOnMissingError
    if day > timezone.localdate():
        raise AcquisitionInFutureError
    if day < patient.birth_date:
        raise BirthDateAfterAcquisitionError


def _radiograph(patient: Patient, uploaded_by, incoming: Incoming, day: dt.date) -> Radiograph:
    header = incoming.header
    return Radiograph(
        patient=patient,
        owner_id=patient.owner_id,
        uploaded_by=uploaded_by,
        acquired_on=day,
        sop_instance_uid=header.sop_instance_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        modality=header.modality,
        view_position=header.view_position,
        photometric_interpretation=header.photometric_interpretation,
        rows=header.rows,
        columns=header.columns,
        bits_stored=header.bits_stored,
        sha256=incoming.sha256,
        pixel_sha256=incoming.inspection.pixels.sha256,
        size=incoming.size,
    )


def _store_file(radiograph: Radiograph, incoming: Incoming) -> None:
    """Write the de-identified file to where its row will say that it is."""
    field = radiograph._meta.get_field("file")
    radiograph.file.name = field.generate_filename(radiograph, "")
    radiograph.full_clean(
        exclude=["patient", "owner", "uploaded_by"],
        validate_unique=False,  # The database does; asking it first proves nothing.
        validate_constraints=False,
    )
    with tempfile.SpooledTemporaryFile(SPOOL) as clean:
        try:
            write_deidentified(incoming.inspection, clean)
            clean.seek(0)
        except OSError as error:
            raise StorageUnavailableError from error
        _new_files.get().append(radiograph.file)
        try:
            radiograph.file.storage.save(radiograph.file.name, File(clean))
        except Exception as error:
            raise StorageUnavailableError from error


def _inserted(radiograph: Radiograph) -> bool:
    """Write the row; false when the doctor has a radiograph with this UID by now."""
    try:
        with transaction.atomic():
            radiograph.save(force_insert=True)
    except IntegrityError:
        _check_erased(radiograph.patient)
        known = Radiograph.objects.filter(
            owner=radiograph.owner_id, sop_instance_uid=radiograph.sop_instance_uid
        )
        if not known.exists():
            raise
        return False
    return True
