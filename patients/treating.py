"""Who sees and treats a patient through a practice still does when a row is written."""

from __future__ import annotations

from collections.abc import Callable

from accounts.models import Doctor

from .errors import TreatmentEndedError
from .models import Patient


def treatment_hold(
    *, user, owner_id, patient: Callable[[], Patient], only_way: bool = False
) -> None:
    """Until the end of this transaction ``user`` stays in the practice that shares the patient.

    A request may have begun, and asked the access rule, before its account left the practice, got
    another role or was suspended: it then comes to the write when that is over. So the
    account and the patient are locked and read anew. For one's own patient (``owner_id``), and
    without a practice, nothing is asked, not even for the ``patient``. ``only_way``: nobody comes
    here because they read an image second.

    Locks the doctor who asks, then the patient, who is another doctor's. Raises
    :class:`TreatmentEndedError`.
    """
    if user is None or owner_id == user.pk or not user.practice_id:
        return
    one = patient()
    if one.practice_id != user.practice_id and not only_way:
        return  # As who reads second: whom the practice has nothing to do with.
    doctor = Doctor.objects.select_for_update().get(pk=user.pk)
    held = Patient.objects.select_for_update().treated_by(doctor).filter(pk=one.pk)
    if not held.order_by().values_list("pk", flat=True):
        raise TreatmentEndedError


def practice_held(patient_id):
    """The key of the practice that sees the patient, or ``None``, and so it stays until the end of
    this transaction.

    Lock the patient before what hangs at them. Raises ``Patient.DoesNotExist``.
    """
    rows = Patient.objects.select_for_update().order_by()
    return rows.values_list("practice", flat=True).get(pk=patient_id)
