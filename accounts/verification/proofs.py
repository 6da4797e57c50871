"""Documents by which a doctor shows who they are: taken in, shown to administrators, deleted."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from accounts.errors import ProofKindError, ProofTooLargeError, VerificationStateError
from accounts.models import Doctor
from operations.services import access_record

from .models import PROOFS, RegistrationProof, Verification

# By their first bytes; a document is never opened here.
KINDS = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
}
WANTED = frozenset({Verification.PENDING, Verification.REFUSED, Verification.EXPIRED})
# A file without its row is what a process that was killed has left.
LEFT_BEHIND = timedelta(days=1)


def proof_store(*, doctor: Doctor, file: UploadedFile, request=None) -> RegistrationProof:
    """Keep ``file`` (PDF, JPEG or PNG) until the matter is decided; it replaces an earlier one.

    Raises :exc:`ProofKindError`, :exc:`ProofTooLargeError`, and :exc:`VerificationStateError`
    where there is nothing to prove.
    """
    if file.size > settings.PROOF_MAX_BYTES:
        raise ProofTooLargeError(mebibytes=settings.PROOF_MAX_BYTES // 2**20)
    start = file.read(8)
    file.seek(0)
    kind = next((kind for magic, kind in KINDS.items() if start.startswith(magic)), None)
    if kind is None:
        raise ProofKindError
    proof = RegistrationProof(doctor=doctor, content_type=kind)
    # The file first: a row never points to nothing.
    proof.file.save("", file, save=False)
    try:
        with transaction.atomic():
            doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
            if doctor.verification not in WANTED:
                raise VerificationStateError
            proof_delete(doctor=doctor)
            proof.save(force_insert=True)
            access_record(actor=doctor, action="create", obj=proof, request=request)
    except BaseException:
        default_storage.delete(proof.file.name)
        raise
    return proof


def proof_delete(*, doctor: Doctor) -> None:
    """Delete the doctor's document, if there is one: the row now, the file on commit."""
    for proof in RegistrationProof.objects.filter(doctor=doctor):
        name = proof.file.name
        proof.delete()
        transaction.on_commit(lambda name=name: default_storage.delete(name), robust=True)


def proofs_sweep() -> int:
    """Delete documents that no row names any more; returns how many."""
    try:
        names = default_storage.listdir(PROOFS)[1]
    except FileNotFoundError:
        return 0
    known = set(RegistrationProof.objects.values_list("file", flat=True))
    deleted = 0
    for name in (f"{PROOFS}/{name}" for name in names):
        old = timezone.now() - default_storage.get_modified_time(name) > LEFT_BEHIND
        if name not in known and old:
            default_storage.delete(name)
            deleted += 1
    return deleted
