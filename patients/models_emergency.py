"""Emergency access: a colleague opens a patient who is not shared, for hours, with a reason."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Practice
from pneumoniapp.ids import uuid7


class EmergencyQuerySet(models.QuerySet):
    def visible_to(self, user) -> EmergencyQuerySet:
        """Those that the doctor opened or that are of their patients; for an owner the practice's.

        An administrator sees all with the permission to view them.
        """
        if getattr(user, "is_staff", False) and user.is_active:
            return self if user.has_perm("patients.view_emergencyaccess") else self.none()
        if not getattr(user, "may_practise", False):
            return self.none()
        mine = models.Q(doctor=user) | models.Q(patient__owner=user)
        if user.practice_id and user.owns_practice:
            mine |= models.Q(practice=user.practice_id)
        return self.filter(mine)

    def open_to(self, user) -> EmergencyQuerySet:
        """Those by which ``user`` sees a patient now: while both doctors are in the practice."""
        now = timezone.now()
        rows = self.filter(doctor=user, practice=user.practice_id)
        rows = rows.filter(patient__owner__practice=models.F("practice"))
        return rows.filter(closed_at=None, ends_at__gt=now)


class EmergencyAccess(models.Model):
    """One patient whom a doctor opened without the patient's doctor, to look at.

    - From ``opened_at`` to ``ends_at``, or to ``closed_at`` where somebody ended it before.
    - ``practice``: that of both doctors when it was opened.
    - ``seen_at``: when the patient's own doctor noted it.
    - The record of access names the row (``break_glass:<key>``).
    """

    class Cause(models.TextChoices):
        EMERGENCY = "emergency", _("The patient is an emergency")
        ABSENT = "absent", _("The patient's doctor can't be reached")
        OTHER = "other", _("Other, said below")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    patient = models.ForeignKey(
        "patients.Patient",
        verbose_name=_("patient"),
        on_delete=models.PROTECT,
        related_name="emergencies",
    )
    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("opened by"),
        on_delete=models.PROTECT,
        related_name="emergencies",
    )
    practice = models.ForeignKey(
        Practice, verbose_name=_("practice"), on_delete=models.PROTECT, related_name="+"
    )
    cause = models.CharField(_("reason"), max_length=16, choices=Cause.choices)
    comment = models.TextField(_("what for"), max_length=500)
    opened_at = models.DateTimeField(_("opened at"), default=timezone.now, editable=False)
    ends_at = models.DateTimeField(_("ends at"), editable=False)
    closed_at = models.DateTimeField(_("ended before at"), null=True, blank=True, editable=False)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("ended by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    seen_at = models.DateTimeField(_("noted at"), null=True, blank=True, editable=False)

    objects = EmergencyQuerySet.as_manager()

    class Meta:
        verbose_name = _("emergency access")
        verbose_name_plural = _("emergency accesses")
        ordering = ["-opened_at", "-pk"]
        indexes = [
            models.Index(fields=["doctor", "ends_at"], name="emergency_by_doctor"),
            models.Index(fields=["practice", "-opened_at"], name="emergency_by_practice"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.patient_id

    @property
    def reason(self) -> str:
        """What events say of it."""
        return f"break_glass:{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.ends_at > timezone.now()
