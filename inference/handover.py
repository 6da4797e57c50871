"""What follows a patient into a practice and out of it."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower

from operations.services import access_record_many
from patients.errors import PracticePatientsError
from patients.models import Patient
from radiology.models import Radiograph

from .models import Analysis

# Keys in one statement. By keys: where an UPDATE of MariaDB finds its rows through other tables
# it walks, and locks, all of its own.
BATCH = 1000


def practice_repeat(sender, *, patients: list, practice_id, **_kwargs) -> None:
    """The analyses of these patients say which practice sees them (``sharing_changed``)."""
    _analyses_update(patients, practice=practice_id)


def patients_hand_over(sender, *, practice, doctor, by, **_kwargs) -> None:
    """The patients of a closing practice's programs become its last member's, with all they have.

    All or none: raises :class:`PracticePatientsError` where that doctor, or another program, has a
    patient of the same identifier or a radiograph of the same SOP Instance UID.
    """
    theirs = Patient.objects.filter(owner__is_service=True, owner__practice=practice)
    keys = list(theirs.order_by("pk").select_for_update().values_list("pk", flat=True))
    if not keys:
        return
    lower = Patient.objects.annotate(low=Lower("identifier"))
    same = lower.filter(owner=doctor, low=OuterRef("low"))
    if lower.filter(pk__in=theirs.values("pk")).filter(Exists(same)).exists():
        raise PracticePatientsError
    try:
        with transaction.atomic():
            _analyses_update(keys, owner=doctor, practice=None)
            for some in _batches(keys):
                Radiograph.objects.filter(patient__in=some).update(owner=doctor)
            theirs.update(owner=doctor, practice=None)
    except IntegrityError as error:
        raise PracticePatientsError from error
    access_record_many(
        actor=by,
        action="update",
        object_type=Patient._meta.label_lower,
        objects=[(key, key) for key in keys],
        reason="handed_over",
    )


def _analyses_update(patients: list, **values) -> None:
    for some in _batches(patients):
        rows = Analysis.objects.filter(radiograph__patient__in=some).order_by()
        for keys in _batches(list(rows.values_list("pk", flat=True))):
            Analysis.objects.filter(pk__in=keys).update(**values)


def _batches(keys: list) -> Iterator[list]:
    return (keys[at : at + BATCH] for at in range(0, len(keys), BATCH))
