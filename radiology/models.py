"""Radiographs: what was received, stored without the patient's identity, and shown."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from patients.models import Patient, opened_to, shared_with
from pneumoniapp.ids import uuid7


def dicom_path(radiograph: Radiograph, _name: str) -> str:
    return f"radiographs/{radiograph.pk.hex[-2:]}/{radiograph.pk}/image.dcm"


def preview_path(radiograph: Radiograph, _name: str) -> str:
    return f"radiographs/{radiograph.pk.hex[-2:]}/{radiograph.pk}/preview.jpg"


def depth_path(radiograph: Radiograph, _name: str) -> str:
    return f"radiographs/{radiograph.pk.hex[-2:]}/{radiograph.pk}/depth.bin"


class RadiographQuerySet(models.QuerySet):
    def visible_to(self, user) -> RadiographQuerySet:
        """The radiographs of the patients that ``user`` may see, and those to be read second."""
        if getattr(user, "is_staff", False):
            return self.filter(patient__in=Patient.objects.visible_to(user))
        if getattr(user, "may_practise", False):
            shared = shared_with(user, "patient__") | opened_to(user, "patient__")
            return self.filter(models.Q(owner=user) | models.Q(pk__in=lent_to(user)) | shared)
        return self.none()


def lent_to(doctor) -> models.QuerySet:
    """The keys of the radiographs of which ``doctor`` is asked for a second reading now."""
    open_now = SecondReading.objects.filter(reader=doctor, is_open=True)
    return open_now.order_by().values("radiograph")


class Radiograph(models.Model):
    """One chest radiograph of one patient, as one de-identified DICOM file.

    - ``file`` holds the stored, de-identified DICOM file; the bytes received are known
      by ``sha256`` alone. All other facts are those of the file received (a deflated one
      is stored inflated).
    - ``owner`` repeats ``patient.owner``, so that the database itself keeps one SOP
      Instance UID from being stored twice for one doctor.
    - ``warnings`` lists what a person must look at, each ``{"code": ..., **facts}``
      (a header that disagrees with the patient, a view that is not known).
    - ``preview`` is the rendered 8-bit JPEG; it is there once an analysis has run.
    - ``text_state``: whether the image was searched for burned-in text, and what an administrator
      said who looked at what was found (``radiology.text_checks``).
    - ``depth`` holds all grey values for the viewer (``radiology.dicom.depth``); it is there
      soon after the first analysis, or after somebody has asked for it.
    """

    class TextState(models.TextChoices):
        NOT_SEARCHED = "", _("not searched yet")
        NOT_FOUND = "not_found", _("no text found")
        SUSPECTED = "suspected", _("may carry text: somebody must look")
        HARMLESS = "harmless", _("looked at: no identifying text")
        IDENTIFYING = "identifying", _("looked at: identifying text")

    # Of these it is known that no text names the patient, as far as it can be known.
    TEXT_FREE = (TextState.NOT_FOUND, TextState.HARMLESS)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    patient = models.ForeignKey(
        Patient, verbose_name=_("patient"), on_delete=models.PROTECT, related_name="radiographs"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="radiographs",
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("uploaded by"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    acquired_on = models.DateField(_("date of the radiograph"))
    received_at = models.DateTimeField(_("received at"), auto_now_add=True)

    sop_instance_uid = models.CharField("SOP Instance UID", max_length=64)
    series_instance_uid = models.CharField("Series Instance UID", max_length=64, blank=True)
    study_instance_uid = models.CharField("Study Instance UID", max_length=64, blank=True)
    sop_class_uid = models.CharField("SOP Class UID", max_length=64)
    transfer_syntax_uid = models.CharField("Transfer Syntax UID", max_length=64)
    modality = models.CharField(_("modality"), max_length=16, blank=True)
    view_position = models.CharField(_("projection"), max_length=16, blank=True)
    photometric_interpretation = models.CharField(_("photometric interpretation"), max_length=16)
    rows = models.PositiveIntegerField(_("rows"))
    columns = models.PositiveIntegerField(_("columns"))
    bits_stored = models.PositiveSmallIntegerField(_("bits stored"))
    warnings = models.JSONField(_("warnings"), default=list, blank=True)

    text_state = models.CharField(
        _("burned-in text"), max_length=16, choices=TextState, default="", blank=True
    )
    text_decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("burned-in text looked at by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    text_decided_at = models.DateTimeField(_("burned-in text looked at on"), null=True, blank=True)

    sha256 = models.CharField(_("SHA-256 of the received file"), max_length=64)
    pixel_sha256 = models.CharField(_("SHA-256 of the pixel data element"), max_length=64)
    size = models.PositiveBigIntegerField(_("size in bytes"))
    file = models.FileField(_("DICOM file"), upload_to=dicom_path, max_length=200)
    preview = models.FileField(_("preview"), upload_to=preview_path, max_length=200, blank=True)
    depth = models.FileField(_("full depth"), upload_to=depth_path, max_length=200, blank=True)

    objects = RadiographQuerySet.as_manager()

    class Meta:
        verbose_name = _("radiograph")
        verbose_name_plural = _("radiographs")
        ordering = ["-acquired_on", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "sop_instance_uid"], name="radiograph_sop_instance_uid_unique"
            ),
            models.UniqueConstraint(fields=["owner", "sha256"], name="radiograph_sha256_unique"),
        ]
        indexes = [
            models.Index(fields=["owner", "-acquired_on", "-id"]),
            models.Index(fields=["patient", "-acquired_on", "-id"]),
            models.Index(fields=["-received_at", "-id"]),
            models.Index(fields=["sop_instance_uid"]),
            models.Index(fields=["study_instance_uid"]),
            models.Index(fields=["sha256"]),
            models.Index(fields=["text_state", "-received_at", "-id"]),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.patient_id


class SecondReading(models.Model):
    """One doctor asked to look at one radiograph of another's, until it is withdrawn.

    - ``address`` is the e-mail address or registration number that was asked, and
      ``reader`` who has it: nobody, where no doctor who may practise had it then. That is
      shown to no one.
    - ``is_open`` is ``True`` until it is withdrawn, then ``NULL``; a unique index keeps one
      open row for an address.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    radiograph = models.ForeignKey(
        Radiograph,
        verbose_name=_("radiograph"),
        on_delete=models.PROTECT,
        related_name="second_readings",
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("asked by"),
        on_delete=models.PROTECT,
        related_name="second_readings_asked",
    )
    address = models.CharField(_("asked of"), max_length=254)
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("second reader"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="second_readings",
    )
    asked_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)
    is_open = models.BooleanField(_("open"), null=True, default=True, editable=False)

    class Meta:
        verbose_name = _("second reading")
        verbose_name_plural = _("second readings")
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["radiograph", "address", "is_open"], name="second_reading_open_unique"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.radiograph.patient_id


class UploadQuerySet(models.QuerySet):
    def visible_to(self, user) -> UploadQuerySet:
        """The uploads that ``user`` has begun; nobody else has any business with them."""
        return self.filter(owner=user) if getattr(user, "may_practise", False) else self.none()


class Upload(models.Model):
    """A file that comes in piece by piece; no name and no patient is known of it.

    - ``pieces``: ``{"name", "size"}`` of each, in the storage, in their order.
    - ``checksum``: CRC-32 of the ``received`` bytes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.CASCADE,
        related_name="uploads",
    )
    size = models.PositiveBigIntegerField(_("size in bytes"))
    received = models.PositiveBigIntegerField(_("bytes received"), default=0)
    checksum = models.PositiveBigIntegerField("CRC-32", default=0)
    pieces = models.JSONField(_("pieces"), default=list, blank=True)
    changed_at = models.DateTimeField(_("changed"), auto_now=True, db_index=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")

    def __str__(self) -> str:
        return str(self.pk)
