"""What verifying a doctor leaves behind: its steps, a proof, an extract of the directory."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pneumoniapp.ids import uuid7


class Verification(models.TextChoices):
    """Where the matter of a doctor stands."""

    PENDING = "pending", _("pending")
    VERIFIED = "verified", _("verified")
    REFUSED = "refused", _("refused")
    SUSPENDED = "suspended", _("suspended")
    EXPIRED = "expired", _("expired")


class VerificationStep(models.Model):
    """One move of a doctor's verification; steps are added and never changed.

    ``by`` is nobody where the doctor themselves or time has moved it. ``reason`` is what the
    administrator wrote for the doctor to read.
    """

    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.CASCADE,
        related_name="verification_steps",
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    state = models.CharField(_("verification"), max_length=16, choices=Verification.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    reason = models.TextField(_("reason"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("step of a verification")
        verbose_name_plural = _("steps of verifications")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["doctor", "-at"])]

    def __str__(self) -> str:
        return f"{self.get_state_display()}, {self.at:%Y-%m-%d}"


def proof_path(proof: RegistrationProof, _name: str) -> str:
    """A name that tells nothing; the doctor's own is not kept."""
    return f"{PROOFS}/{proof.pk}"


PROOFS = "proofs"


class RegistrationProof(models.Model):
    """A document by which a doctor shows who they are; gone as soon as it is decided."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    doctor = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.CASCADE,
        related_name="registration_proof",
    )
    file = models.FileField(_("file"), upload_to=proof_path)
    content_type = models.CharField(max_length=32)
    received_at = models.DateTimeField(_("received"), default=timezone.now)

    class Meta:
        verbose_name = _("proof of registration")
        verbose_name_plural = _("proofs of registration")

    def __str__(self) -> str:
        return str(self.pk)


class DirectoryEdition(models.Model):
    """One import of the national directory; the newest complete one is in use."""

    imported_at = models.DateTimeField(_("imported"), default=timezone.now)
    is_complete = models.BooleanField(default=False)
    people = models.PositiveIntegerField(_("entries"), default=0)

    class Meta:
        verbose_name = _("edition of the directory")
        verbose_name_plural = _("editions of the directory")

    def __str__(self) -> str:
        return f"{self.imported_at:%Y-%m-%d}"


class DirectoryPerson(models.Model):
    """One person of the directory; one number may have several names or professions."""

    edition = models.ForeignKey(DirectoryEdition, on_delete=models.CASCADE, related_name="+")
    registration_number = models.CharField(max_length=32)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100)
    profession = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = [models.Index(fields=["edition", "registration_number"])]

    def __str__(self) -> str:
        return self.registration_number
