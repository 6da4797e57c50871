"""The record of who touched which patient's data, and what the installation does for itself."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import sentence_for
from pneumoniapp.ids import uuid7

from .models_audit import AccessEvent, Anomaly, AuditCheck, AuditHead  # noqa: F401


class Heartbeat(models.Model):
    """When a worker of one queue last proved that it takes messages from it.

    Written by the task ``operations.tasks.heartbeat``, which comes through the queue
    itself, and when a worker begins to listen.
    """

    queue = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.queue


class Backup(models.Model):
    """One try to make a backup; the backup itself lies in the repository under ``name``.

    - ``queued -> running -> done | incomplete | failed``; only ``operations.backup.services``
      moves it. ``incomplete``: whole but for files that were lost before it.
    - ``unfinished`` is ``True`` while it is queued or running and ``NULL`` after, so that a
      unique index lets there be one: a backup and the rotation never meet another one.
    - ``seen_at`` is when its process last gave a sign; one that gives none is taken for lost.
    - Sizes are in bytes: ``bytes_total`` of the content, ``bytes_new`` of what was added to
      the repository (compressed and encrypted). ``counts`` has rows by table, and files.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")

    class Kind(models.TextChoices):
        SCHEDULED = "scheduled", _("scheduled")
        BY_HAND = "by_hand", _("by hand")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("backup"), max_length=40, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State.choices)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    unfinished = models.BooleanField(null=True, unique=True, default=True, editable=False)
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    seen_at = models.DateTimeField(_("last sign of life"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    step = models.CharField(_("step"), max_length=64, blank=True)
    step_done = models.PositiveBigIntegerField(default=0)
    step_total = models.PositiveBigIntegerField(default=0)
    objects_total = models.PositiveBigIntegerField(_("parts"), default=0)
    objects_new = models.PositiveBigIntegerField(_("new parts"), default=0)
    bytes_total = models.PositiveBigIntegerField(_("size"), default=0)
    bytes_new = models.PositiveBigIntegerField(_("newly stored"), default=0)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_params = models.JSONField(_("details of the error"), default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ["-started_at", "-pk"]

    def __str__(self) -> str:
        return self.name or str(self.pk)

    @property
    def error(self) -> str:
        """The sentence of what went wrong, or nothing."""
        return sentence_for(self.error_code, self.error_params) if self.error_code else ""

    @property
    def duration(self):
        """How long it took, or has taken up to its last sign of life."""
        return (self.finished_at or self.seen_at) - self.started_at


class RestoreDrill(models.Model):
    """One rehearsal: the newest backup restored into a scratch database and folder.

    ``counts`` has rows and files that were restored and found to be what the backup holds.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        PASSED = "passed", _("passed")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    backup = models.CharField(_("backup"), max_length=40, blank=True)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.RUNNING
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_params = models.JSONField(_("details of the error"), default=dict, blank=True)

    class Meta:
        verbose_name = _("restore drill")
        verbose_name_plural = _("restore drills")
        ordering = ["-started_at", "-pk"]

    def __str__(self) -> str:
        return self.backup or str(self.pk)

    @property
    def error(self) -> str:
        """The sentence of what went wrong, or nothing."""
        return sentence_for(self.error_code, self.error_params) if self.error_code else ""

    @property
    def duration(self):
        """How long it took; nothing while it runs."""
        return self.finished_at - self.started_at if self.finished_at else None


class StatementTimes(models.Model):
    """How long one statement took at one route or task, in µs, as far as it was sampled.

    ``statement`` has ``%s`` in place of each value: none is ever kept. ``classes`` counts
    times by size (``operations.queries.tally``), from which ``p95_us`` comes. The table is
    written by ``operations.queries.services`` alone, which keeps it small.
    """

    key = models.CharField(primary_key=True, max_length=64, editable=False)
    statement = models.TextField(_("statement"))
    place = models.CharField(_("route or task"), max_length=200)
    count = models.PositiveBigIntegerField(_("count"), default=0)
    total_us = models.PositiveBigIntegerField(_("total time"), default=0)
    longest_us = models.PositiveBigIntegerField(_("longest"), default=0)
    mean_us = models.PositiveBigIntegerField(_("mean"), default=0)
    p95_us = models.PositiveBigIntegerField(_("95 % are within"), default=0)
    classes = models.JSONField(default=dict)
    first_at = models.DateTimeField(_("since"), auto_now_add=True)
    last_at = models.DateTimeField(_("last seen"), db_index=True)

    class Meta:
        verbose_name = _("slow statement")
        verbose_name_plural = _("slow statements")
        ordering = ["-p95_us", "key"]

    def __str__(self) -> str:
        return self.statement[:80]
