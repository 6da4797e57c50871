"""Patients, and the one rule of who may see whom."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Practice
from pneumoniapp.ids import uuid7

from .models_emergency import EmergencyAccess
from .models_erasure import Erasure, Tombstone  # noqa: F401


def shared_with(user, path: str = "") -> models.Q:
    """The patients whom ``user``'s practice shares; ``path`` leads from other rows to the patient.

    The practice stands in the account's own row, read with each request: who leaves is out at
    the next one. Without a practice this asks the database nothing.
    """
    return _of(user.practice_id, path)


def treated_with(user, path: str = "") -> models.Q:
    """Those of :func:`shared_with` where ``user``'s role allows more than to look."""
    return _of(user.practice_to_change, path)


def opened_to(user, path: str = "") -> models.Q:
    """Patients to whom ``user`` has emergency access now. Not for lists: no index carries it.

    Asks the database only for who has opened something, as their own row says: so whatever is
    seen by it is also recorded with it (``patients.emergency.emergency_reason``).
    """
    if not user.practice_id or not user.emergency_until or user.emergency_until < timezone.now():
        return models.Q(pk__in=[])
    opened = EmergencyAccess.objects.open_to(user).order_by().values("patient")
    return models.Q(**{f"{path}pk__in": opened})


def _of(practice_id, path: str) -> models.Q:
    return models.Q(**({f"{path}practice": practice_id} if practice_id else {"pk__in": []}))


class PatientQuerySet(models.QuerySet):
    def visible_to(self, user) -> PatientQuerySet:
        """The patients that ``user`` may see: **the** access rule.

        A doctor who may practise sees their own patients, those whom their practice shares and,
        for a while, those whom they opened in an emergency; an administrator with the
        permission to view patients sees all (in the admin); everybody else sees none. Every
        page, API route, relational field, file and admin action starts here, or at a
        ``visible_to`` that follows the relation to the patient.
        """
        if getattr(user, "is_staff", False) and user.is_active:
            return self if user.has_perm("patients.view_patient") else self.none()
        if getattr(user, "may_practise", False):
            return self.filter(models.Q(owner=user) | shared_with(user) | opened_to(user))
        return self.none()

    def listed_for(self, user) -> PatientQuerySet:
        """Those of ``visible_to`` that stand in lists: what was opened in an emergency does not."""
        if not getattr(user, "may_practise", False) or user.is_staff:
            return self.none()
        return self.filter(models.Q(owner=user) | shared_with(user))

    def treated_by(self, user) -> PatientQuerySet:
        """Those of ``visible_to`` whom ``user`` may correct, send radiographs of, export.

        Not a reader's, who looks at what others share and changes nothing.
        """
        if not getattr(user, "may_practise", False) or user.is_staff:
            return self.none()
        return self.filter(models.Q(owner=user) | treated_with(user))

    def answered_by(self, user) -> PatientQuerySet:
        """Those whose erasure ``user`` asks for: their own, and for an owner of a practice those
        that a program of the practice recorded, which are no person's."""
        rows = self.owned_by(user)
        if not (user.owns_practice and user.may_practise):
            return rows
        programs = models.Q(owner__is_service=True, practice=user.practice_id)
        return self.filter(models.Q(owner=user) | programs)

    def owned_by(self, user) -> PatientQuerySet:
        """The doctor's own: who alone shares, takes back, asks for erasure."""
        if not getattr(user, "may_practise", False) or user.is_staff:
            return self.none()
        return self.filter(owner=user)


class Patient(models.Model):
    """A person whose radiographs are read.

    - ``identifier`` is the number by which the doctor's own records know the patient; it
      is unique for one owner and never leaves the database (no log, URL or file has it).
    - No name is kept: nothing here needs one.
    - Belongs to one doctor, the ``owner``.
    - ``practice``: the owner's practice, while the owner shares the patient with it.
    - ``training_consent``: whether the patient allows that radiographs train a model, since
      when it stands so (``consent_at``) and who recorded it (``consent_by``). Only ``given``
      allows it. The record of access has every change.
    """

    class Sex(models.TextChoices):
        """DICOM PS3.3 C.7.1.1, Patient's Sex (0010,0040)."""

        FEMALE = "F", _("female")
        MALE = "M", _("male")
        OTHER = "O", _("other")

    class Consent(models.TextChoices):
        """Consent to the use of radiographs for training, GDPR article 7."""

        UNKNOWN = "unknown", _("not known: not used")
        GIVEN = "given", _("given")
        WITHDRAWN = "withdrawn", _("withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="patients",
    )
    practice = models.ForeignKey(
        Practice,
        verbose_name=_("shared with"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="patients",
    )
    identifier = models.CharField(
        _("patient identifier"),
        max_length=64,
        validators=[
            RegexValidator(
                r"^[\w][\w .\-/]*\Z",
                _("Use letters, digits, spaces, dots, hyphens, underscores and slashes only."),
            )
        ],
    )
    sex = models.CharField(_("sex"), max_length=1, choices=Sex.choices)
    birth_date = models.DateField(_("birth date"))
    training_consent = models.CharField(
        _("consent to use for training"),
        max_length=16,
        choices=Consent.choices,
        default=Consent.UNKNOWN,
    )
    consent_at = models.DateTimeField(_("consent recorded at"), null=True, editable=False)
    consent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("consent recorded by"),
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = PatientQuerySet.as_manager()

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        permissions = [("export_patient", _("Can export all data of a patient"))]
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "identifier"],
                name="patient_identifier_unique",
                violation_error_code="patient_exists",
                violation_error_message=_("You have a patient with this identifier already."),
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"]),
            models.Index(fields=["owner", "birth_date"]),
            models.Index(fields=["practice", "-created_at"], name="patient_by_practice"),
        ]

    def __str__(self) -> str:
        return self.identifier

    @property
    def audit_patient_id(self):
        """The patient of an access event about this row; so on every row of a patient."""
        return self.pk
