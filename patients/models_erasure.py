"""Patients whose data was asked to be erased, and the traces by which the erased stay erased."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from pneumoniapp.ids import uuid7


class ErasureQuerySet(models.QuerySet):
    def visible_to(self, user) -> ErasureQuerySet:
        """A doctor's own patients; an administrator's with the permission to view erasures."""
        if getattr(user, "is_staff", False) and user.is_active:
            return self if user.has_perm("patients.view_erasure") else self.none()
        return self.filter(owner=user) if getattr(user, "may_practise", False) else self.none()


class Erasure(models.Model):
    """One patient whose data somebody asked to be erased; the row outlives the patient.

    - ``pending -> refused | erasing -> done``; only ``inference.privacy.erasure`` moves it.
      In ``erasing`` no row of the patient is left, and a sweeper removes the files.
    - ``patient_key`` is the key that the patient had; the row holds no value of the patient's.
    - ``comment``, what the doctor wrote, is emptied when the patient is erased.
    - ``folders``: where the files lie that are still to be removed.
    - ``is_open`` is ``True`` while pending and ``NULL`` after: one open request a patient.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("waits for a decision")
        REFUSED = "refused", _("refused")
        ERASING = "erasing", _("erased, files are being removed")
        DONE = "done", _("erased")

    class Cause(models.TextChoices):
        PATIENT = "patient", _("The patient asks for it")
        MISTAKE = "mistake", _("Recorded by mistake")
        TERM = "term", _("The term of retention is over")
        BACKUP = "backup", _("Came back with an older backup")
        OTHER = "other", _("Other, said below")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    patient_key = models.UUIDField(_("patient's key"), editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices)
    comment = models.TextField(_("comment"), max_length=500, blank=True)
    due_on = models.DateField(_("to be kept until"))
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.PENDING
    )
    is_open = models.BooleanField(null=True, default=True, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    requested_at = models.DateTimeField(_("requested at"), auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision = models.TextField(_("reason of the decision"), max_length=500, blank=True)
    counts = models.JSONField(_("rows erased"), default=dict, blank=True)
    folders = models.JSONField(default=list, blank=True, editable=False)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-requested_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["patient_key", "is_open"], name="erasure_open_unique")
        ]
        indexes = [models.Index(fields=["state"], name="erasure_by_state")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.patient_key


class Tombstone(models.Model):
    """An erased patient, known by the keyed hash of the key alone.

    Another copy lies beside the backups: an older one must not bring the patient back.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    erased_at = models.DateTimeField(_("erased at"), auto_now_add=True)

    class Meta:
        verbose_name = _("erased patient")
        verbose_name_plural = _("erased patients")

    def __str__(self) -> str:
        return self.digest
