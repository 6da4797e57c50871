"""The record of access: rows that are added and never changed."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import sentence_for
from pneumoniapp.ids import uuid7

from .audit.digest import DigestField, HashField
from .errors import AuditAppendOnlyError


class AccessEventQuerySet(models.QuerySet):
    """Adds and reads; everything that would change or remove a row is refused."""

    def _refused(self, *_args, **_kwargs) -> NoReturn:
        raise AuditAppendOnlyError

    update = _update = delete = _raw_delete = bulk_update = _refused
    update_or_create = select_for_update = _refused
    update.alters_data = delete.alters_data = True
    # Coroutines of these names would call them; they are refused before.
    aupdate = adelete = abulk_update = aupdate_or_create = _refused

    def bulk_create(self, objs, *args, update_conflicts=False, **kwargs):
        if update_conflicts:
            raise AuditAppendOnlyError
        return super().bulk_create(objs, *args, **kwargs)


class AccessEvent(models.Model):
    """One read, write or refusal: who, what, when, from where, and maybe why.

    Holds keys alone: no clinical value, no name, no identifier. Rows are only ever added,
    by ``operations.services.access_record``; the database itself refuses the rest
    (``operations.audit.triggers``).

    - ``patient``: the key of the patient whose data it is, where it is one patient's.
    - ``count``: how many rows of a list were shown.
    - ``channel``: through which door. ``media`` are images inside a page, ``export`` is
      what leaves as a file (PDF, CSV, DICOM, ZIP).
    - ``reason``: a code, maybe with the key of the row that holds what somebody wrote.
    - ``digest``: keyed hash of the content, written with the row; ``position`` and
      ``chain`` put it into the chain a moment later (``operations.audit.sealing``).
    """

    class Action(models.TextChoices):
        READ = "read", _("read")
        CREATE = "create", _("create")
        UPDATE = "update", _("update")
        DELETE = "delete", _("delete")
        REFUSED = "refused", _("refused")

    class Channel(models.TextChoices):
        PAGE = "page", _("page")
        API = "api", _("API")
        MEDIA = "media", _("image")
        EXPORT = "export", _("export")
        ADMIN = "admin", _("administration")
        COMMAND = "command", _("command")
        TASK = "task", _("task")

    at = models.DateTimeField(_("at"), default=timezone.now, editable=False, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("actor"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    action = models.CharField(_("action"), max_length=8, choices=Action.choices)
    object_type = models.CharField(_("object type"), max_length=64)
    object_id = models.CharField(_("object"), max_length=64)
    patient = models.CharField(_("patient"), max_length=36, blank=True)
    count = models.PositiveIntegerField(_("rows"), null=True)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices, blank=True)
    reason = models.CharField(
        _("reason"),
        max_length=80,
        blank=True,
        validators=[RegexValidator(r"^[a-z][a-z_]{1,31}(:[0-9a-f-]{1,36})?\Z")],
    )
    route = models.CharField(_("route"), max_length=100, blank=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    digest = DigestField()
    position = models.PositiveBigIntegerField(_("position"), null=True, unique=True, editable=False)
    chain = HashField(_("chain"))

    objects = AccessEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("access event")
        verbose_name_plural = _("access events")
        ordering = ["-pk"]
        # Cascades of other rows come through here as well.
        base_manager_name = "objects"
        # Each ends in the primary key of itself: the newest first, without sorting.
        indexes = [
            models.Index(fields=["object_type", "object_id"]),
            models.Index(fields=["patient"], name="access_by_patient"),
            models.Index(fields=["action"], name="access_by_action"),
            models.Index(fields=["channel"], name="access_by_channel"),
            models.Index(fields=["reason"], name="access_by_reason"),
            models.Index(fields=["request_id"], name="access_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.object_type}"

    def save(self, *args, **kwargs) -> None:
        if not self._state.adding:
            raise AuditAppendOnlyError
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args, **kwargs) -> NoReturn:
        raise AuditAppendOnlyError


class AuditHead(models.Model):
    """The end of the chain: one row, whose lock lets one sealer in at a time."""

    position = models.PositiveBigIntegerField(default=0)
    chain = HashField()
    anchored_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("head of the record")
        verbose_name_plural = _("heads of the record")

    def __str__(self) -> str:
        return str(self.position)


class AuditCheck(models.Model):
    """One verification of the whole record: until which event, and what was found.

    ``counts`` has the numbers of ``operations.audit.verifying.Verified``.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        PASSED = "passed", _("passed")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.RUNNING
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    position = models.PositiveBigIntegerField(_("position"), default=0)
    chain = HashField(_("chain"))
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_params = models.JSONField(_("details of the error"), default=dict, blank=True)

    class Meta:
        verbose_name = _("verification of the record")
        verbose_name_plural = _("verifications of the record")
        ordering = ["-started_at", "-pk"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def error(self) -> str:
        """The sentence of what went wrong, or nothing."""
        return sentence_for(self.error_code, self.error_params) if self.error_code else ""

    @property
    def duration(self):
        """How long it took; nothing while it runs."""
        return self.finished_at - self.started_at if self.finished_at else None


class Anomaly(models.Model):
    """What stood out in the record of access within one hour: who or from where, and how often.

    Found by ``operations.audit.anomalies`` with the thresholds of the settings; an
    administrator says that they have seen it.
    """

    class Kind(models.TextChoices):
        PATIENTS = "patients", _("many patients")
        ROWS = "rows", _("many rows of lists")
        HOURS = "hours", _("unusual hours")
        BREAK_GLASS = "break_glass", _("emergency access")
        REFUSALS = "refusals", _("many refusals")
        LOGINS = "logins", _("failed log-ins to one account")

    key = models.CharField(max_length=80, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    hour = models.DateTimeField(_("hour"), db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    address = models.GenericIPAddressField(_("address"), null=True)
    count = models.PositiveIntegerField(_("how many"))
    seen_at = models.DateTimeField(_("seen at"), null=True)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("seen by"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )

    class Meta:
        verbose_name = _("anomaly")
        verbose_name_plural = _("anomalies")
        ordering = ["-hour", "-pk"]

    def __str__(self) -> str:
        return self.get_kind_display()
