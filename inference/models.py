"""Model versions, analyses (one run of one version on one radiograph) and reviews."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Practice
from pneumoniapp.errors import sentence_for
from pneumoniapp.ids import uuid7
from radiology.models import Radiograph

from .querysets import AnalysisQuerySet
from .regions import region_text
from .urgency import urgency

PROBABILITY = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Label(models.TextChoices):
    """The three classes, in the order of the network's outputs (``LABELS``)."""

    NORMAL = "normal", _("Normal")
    LUNG_OPACITY = "lung_opacity", _("Lung opacity")
    NOT_NORMAL = "not_normal", _("Abnormal without opacity")


LABELS: tuple[str, ...] = tuple(Label.values)


class Certainty(models.TextChoices):
    """How far the reading may be believed; its limits belong to the model version.

    The first three come from the classes that remain possible and from the gate
    (``inference.certainty``). The others are of versions without these (format 1).
    """

    CERTAIN = "certain", _("Certain")
    UNCERTAIN = "uncertain", _("Uncertain: a person must decide")
    UNLIKE = "unlike", _("Not like what the model knows")
    HIGH = "high", _("High certainty")
    MODERATE = "moderate", _("Moderate certainty")
    LOW = "low", _("Low certainty: a person must look")


class ModelVersion(models.Model):
    """One trained network with everything that belongs to it, never edited after registration.

    - ``facts`` is the content of ``facts.json`` beside the weights: classes,
      preprocessing version, input size, calibration, thresholds, metrics, data
      fingerprint, library versions, file names with their SHA-256.
    - Exactly one version is in production: ``in_production`` is ``True`` on that row and
      ``NULL`` on all others, so that a unique index enforces it on MySQL as well.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=64)
    version = models.CharField(_("version"), max_length=32)
    architecture = models.CharField(_("architecture"), max_length=64)
    preprocessing_version = models.CharField(_("preprocessing version"), max_length=16)
    directory = models.CharField(_("folder in the model storage"), max_length=200)
    sha256 = models.CharField(_("SHA-256 of the served weights"), max_length=64)
    facts = models.JSONField(_("facts"), default=dict)
    in_production = models.BooleanField(
        _("in production"), null=True, unique=True, default=None, editable=False
    )
    registered_at = models.DateTimeField(_("registered at"), default=timezone.now)

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-registered_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="model_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    def card_url(self) -> str:
        """The page that says what is known of this version."""
        return reverse("inference:model_card", args=[self.name, self.version])


class Promotion(models.Model):
    """One change of the version in production; the newest row is the present state."""

    class Kind(models.TextChoices):
        PROMOTE = "promote", _("promotion")
        ROLLBACK = "rollback", _("rollback")

    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.PROTECT,
        related_name="promotions",
    )
    previous = models.ForeignKey(
        ModelVersion,
        verbose_name=_("previous version"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.pk)


def map_path(analysis: Analysis, _name: str) -> str:
    """One name for one radiograph and model version: whoever writes it writes the same bytes."""
    version = analysis.model_version_id.hex[-8:]
    return f"analyses/{analysis.pk.hex[-2:]}/{analysis.pk}/map-{version}.png"


# What the worklist filters by, at the end of its indexes.
FILTERED = ("label", "certainty", "status", "acquired_on")


class Analysis(models.Model):
    """One run of one model version on one radiograph.

    - ``queued -> running -> done | failed``; only ``inference.services`` moves it, by
      conditional updates. Celery's own result is never the truth.
    - ``is_current`` is ``True`` on the newest analysis of a radiograph and ``NULL`` on the
      older ones; a unique index keeps it single.
    - ``attempts`` counts how often a worker began; after ``ANALYSIS_MAX_ATTEMPTS`` the row
      fails. With ``claimed_by`` it tells one claim from every other.
    - ``sent_at`` is when the row was last handed to the broker; ``NULL`` asks the sweeper
      to send it at its next turn.
    - Probabilities are calibrated and sum to 1. ``timings`` holds milliseconds by step.
    - ``prediction_set`` lists the class codes that remain possible, the most probable
      first, and ``gate_score`` tells how unlike the known images this one is; both are
      ``NULL`` for model versions of format 1 (see ``inference.certainty.Judgement``).
    - ``owner`` and ``acquired_on`` repeat the radiograph's, which never change, ``practice`` the
      patient's (``inference.handover`` keeps it), and ``judgement`` the newest verdict
      (``review_create`` keeps it), so that one index carries a worklist with its filters.
      ``urgency`` the database computes itself.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    radiograph = models.ForeignKey(
        Radiograph, verbose_name=_("radiograph"), on_delete=models.PROTECT, related_name="analyses"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
        # MariaDB asks after the key again whenever an index entry changes that begins with it:
        # each reading that ends would lock its doctor, here, and its practice, below.
        db_constraint=False,
    )
    practice = models.ForeignKey(
        Practice,
        verbose_name=_("shared with"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    acquired_on = models.DateField(_("date of the radiograph"), editable=False)
    is_current = models.BooleanField(_("current"), null=True, default=True, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    claimed_by = models.CharField(_("claimed by delivery"), max_length=64, blank=True)
    queued_at = models.DateTimeField(_("queued at"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_params = models.JSONField(_("details of the error"), default=dict, blank=True)

    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="analyses",
    )
    label = models.CharField(_("class"), max_length=16, choices=Label.choices, blank=True)
    p_normal = models.FloatField(
        _("probability: normal"), null=True, blank=True, validators=PROBABILITY
    )
    p_lung_opacity = models.FloatField(
        _("probability: lung opacity"), null=True, blank=True, validators=PROBABILITY
    )
    p_not_normal = models.FloatField(
        _("probability: abnormal without opacity"), null=True, blank=True, validators=PROBABILITY
    )
    certainty = models.CharField(
        _("certainty"), max_length=16, choices=Certainty.choices, blank=True
    )
    prediction_set = models.JSONField(_("classes that remain possible"), null=True, blank=True)
    gate_score = models.FloatField(
        _("distance from the known images (1: the limit)"), null=True, blank=True
    )
    map = models.FileField(
        _("class activation map"), upload_to=map_path, max_length=200, blank=True
    )
    timings = models.JSONField(_("timings (ms)"), default=dict, blank=True)
    judgement = models.CharField(_("judgement"), max_length=16, blank=True, editable=False)
    urgency = models.GeneratedField(
        verbose_name=_("urgency"),
        expression=urgency(),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )

    # Whether what the model made of it was taken out for the doctor who asked.
    withheld = False

    objects = AnalysisQuerySet.as_manager()

    class Meta:
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["radiograph", "is_current"], name="analysis_current_unique"
            )
        ]
        indexes = [
            models.Index(fields=["status", "queued_at"]),
            models.Index(fields=["is_current", "label"]),
            models.Index(fields=["-queued_at", "-id"]),
            # The worklist: what is left to judge, and all; the filters are in the index.
            models.Index(
                fields=["owner", "is_current", "judgement", "urgency", "radiograph", *FILTERED],
                name="analysis_worklist",
            ),
            models.Index(
                fields=["owner", "is_current", "urgency", "radiograph", "judgement", *FILTERED],
                name="analysis_worklist_all",
            ),
            models.Index(fields=["owner", "finished_at"], name="analysis_finished"),
            # The same for what a practice shares.
            models.Index(
                fields=["practice", "is_current", "judgement", "urgency", "radiograph", *FILTERED],
                name="analysis_practice",
            ),
            models.Index(
                fields=["practice", "is_current", "urgency", "radiograph", "judgement", *FILTERED],
                name="analysis_practice_all",
            ),
            models.Index(fields=["practice", "finished_at"], name="analysis_practice_done"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.radiograph.patient_id

    def withhold(self) -> None:
        """Take out of this instance, not of the database, all that the model made of it."""
        self.label = self.certainty = self.map = ""
        self.prediction_set = self.gate_score = None
        for label in LABELS:
            setattr(self, f"p_{label}", None)
        self.withheld = True

    def save(self, *args, **kwargs) -> None:
        if self.withheld:
            raise TypeError("an analysis that is withheld is not saved")
        super().save(*args, **kwargs)

    @property
    def is_finished(self) -> bool:
        return self.status in (self.Status.DONE, self.Status.FAILED)

    @property
    def probabilities(self) -> dict[str, float] | None:
        """Calibrated probability of each class, or ``None`` until done."""
        if self.p_normal is None:
            return None
        return {label: getattr(self, f"p_{label}") for label in LABELS}

    @property
    def typical(self) -> bool | None:
        """Whether the gate let the image pass; ``None`` for versions without a gate."""
        return None if self.gate_score is None else self.gate_score <= 1

    @property
    def error_sentence(self) -> str:
        return sentence_for(self.error_code, self.error_params) if self.error_code else ""


class Review(models.Model):
    """A doctor's judgement of one analysis. A change of mind adds a row; none is edited.

    - ``is_current`` is ``True`` on the newest judgement of a doctor, the one that counts,
      and ``NULL`` on the earlier ones; a unique index keeps it single.
    - ``reason`` says why a reading is contested; an approval has none, nor has the class
      that a doctor gave while the reading was withheld.
    - ``region``: what the doctor marked on the image, as :mod:`inference.regions` has it.
    - ``kind``: a ``decision`` is an administrator's, where doctors differ; it stands beside
      the judgements and is none of them, so its ``is_current`` is ``NULL``.
    - ``before_reading``: the reading was withheld, and always had been, so the doctor
      gave the class without knowing it.
    """

    class Verdict(models.TextChoices):
        APPROVED = "approved", _("Approved")
        CONTESTED = "contested", _("Contested")

    class Kind(models.TextChoices):
        JUDGEMENT = "judgement", _("Judgement")
        DECISION = "decision", _("Decision")

    class Reason(models.TextChoices):
        WRONG_PLACE = "wrong_place", _("The model looked at the wrong place")
        MISSED_OPACITY = "missed_opacity", _("It missed an opacity")
        NOT_PNEUMONIA = "not_pneumonia", _("The opacity is not pneumonia")
        ARTEFACT = "artefact", _("Artefact or device")
        IMAGE_QUALITY = "image_quality", _("Quality of the image")
        WRONG_IMAGE = "wrong_image", _("Wrong patient or view")
        OTHER = "other", _("Other, said in the comment")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    analysis = models.ForeignKey(
        Analysis, verbose_name=_("analysis"), on_delete=models.PROTECT, related_name="reviews"
    )
    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="reviews",
    )
    kind = models.CharField(
        _("kind"), max_length=16, choices=Kind.choices, default=Kind.JUDGEMENT, editable=False
    )
    verdict = models.CharField(_("verdict"), max_length=16, choices=Verdict.choices)
    label = models.CharField(_("the doctor's class"), max_length=16, choices=Label.choices)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason.choices, blank=True)
    comment = models.TextField(
        _("comment"), max_length=2000, blank=True, validators=[MaxLengthValidator(2000)]
    )
    region = models.JSONField(_("region"), null=True, blank=True, editable=False)
    before_reading = models.BooleanField(
        _("before the reading was shown"), default=False, editable=False
    )
    is_current = models.BooleanField(_("counts"), null=True, default=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["analysis", "doctor", "is_current"], name="review_current_unique"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def audit_patient_id(self):
        return self.analysis.audit_patient_id

    @property
    def region_text(self) -> str:
        return region_text(self.region)

    @property
    def needs_reason(self) -> bool:
        """Whether it contests without saying why, because the reading was withheld."""
        if self.kind != self.Kind.JUDGEMENT or self.verdict != self.Verdict.CONTESTED:
            return False
        # Where the image is not like what the model knows, no class is claimed.
        return not self.reason and self.analysis.certainty != Certainty.UNLIKE
