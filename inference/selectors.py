"""Reads of readings, model versions and the state of the queue."""

from __future__ import annotations

from django.db.models import Count, Exists, Min, OuterRef, Prefetch, Q, TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .models import Analysis, AnalysisQuerySet, ModelVersion, Review

RELATED = ("radiograph__patient", "model_version")
# What a filter may ask of a reading that who reads first does not know yet.
FINDINGS = frozenset({"label", "certainty"})


class Whose(TextChoices):
    """Of whose patients a list is. One that named both would walk every doctor's rows."""

    MINE = "mine", _("My patients")
    PRACTICE = "practice", _("Shared in the practice")
    KNOWN = "known", _("Mine and those of the practice")


def whose_rows(user, whose: str) -> AnalysisQuerySet:
    """The analyses of these patients; ``KNOWN`` only where a filter leaves one patient's."""
    rows = Analysis.objects
    by = {Whose.PRACTICE: rows.shared_by_practice, Whose.KNOWN: rows.known_to}
    return by.get(whose, rows.owned_by)(user)


def readings_list(user, whose: str = Whose.MINE) -> AnalysisQuerySet:
    """The current analysis of each radiograph of ``user``'s patients, newest first.

    A page of it with radiographs, patients and model versions takes three queries. The
    first joins as little as it can: with patients in it, MariaDB reads a million of them
    before it sorts (25 s; 10 ms without).
    """
    return (
        whose_rows(user, whose)
        .current()
        .select_related("radiograph")
        .prefetch_related(*RELATED)
        .order_by("-queued_at", "-pk")
    )


def sought(rows: AnalysisQuerySet, user, lookups: dict) -> AnalysisQuerySet:
    """Those of ``rows`` that ``lookups`` leave.

    What is asked for by class or certainty is no way round what is withheld from ``user``.
    """
    rows = rows.filter(**lookups)
    return rows.revealed_to(user) if lookups.keys() & FINDINGS else rows


def reading_get(user, radiograph_pk) -> Analysis:
    """The current analysis of one radiograph; raises ``Analysis.DoesNotExist``."""
    visible = Analysis.objects.visible_to(user).current().select_related(*RELATED)
    return visible.get(radiograph=radiograph_pk)


def known_reading_get(user, radiograph_pk) -> Analysis:
    """The same where ``user`` sees the whole patient, not that radiograph alone."""
    known = Analysis.objects.known_to(user).current().select_related(*RELATED)
    return known.get(radiograph=radiograph_pk)


def treated_reading_get(user, radiograph_pk) -> Analysis:
    """The same where ``user`` treats the patient."""
    treated = Analysis.objects.treated_by(user).current().select_related(*RELATED)
    return treated.get(radiograph=radiograph_pk)


def own_reading_get(user, radiograph_pk) -> Analysis:
    """The same for the patient's own doctor alone."""
    own = Analysis.objects.owned_by(user).current().select_related(*RELATED)
    return own.get(radiograph=radiograph_pk)


def finished_analyses(pks: set) -> set:
    """Which of these analyses are done or failed: one small query, for waiting alone.

    It tells nothing that its caller did not know: who may see them was asked before.
    """
    finished = [Analysis.Status.DONE, Analysis.Status.FAILED]
    rows = Analysis.objects.filter(pk__in=pks, status__in=finished)
    return set(rows.values_list("pk", flat=True))


def analyses_list(user, whose: str = Whose.MINE) -> AnalysisQuerySet:
    """All analyses of ``user``'s patients, those that were replaced included, newest first."""
    own = whose_rows(user, whose)
    return own.select_related("radiograph").prefetch_related(*RELATED)


def analysis_get(user, pk) -> Analysis:
    """One analysis, current or not; raises ``Analysis.DoesNotExist``."""
    return Analysis.objects.visible_to(user).select_related(*RELATED).get(pk=pk)


def treated_analysis_get(user, pk) -> Analysis:
    """The same where ``user`` treats the patient."""
    return Analysis.objects.treated_by(user).select_related(*RELATED).get(pk=pk)


def judged_analysis_get(user, pk) -> Analysis:
    """The same where ``user`` may judge it."""
    return Analysis.objects.open_to_judge(user).select_related(*RELATED).get(pk=pk)


def patient_readings(user, patient) -> AnalysisQuerySet:
    """The current analysis of each radiograph of ``patient``, newest radiograph first."""
    return (
        Analysis.objects.known_to(user)
        .current()
        .select_related(*RELATED)
        .filter(radiograph__patient=patient)
        .order_by("-radiograph__acquired_on", "-radiograph_id")
    )


def patient_analyses(user, patient) -> AnalysisQuerySet:
    """All analyses of ``patient``, those that were replaced included, newest radiograph first.

    With them come their reviews and doctors, the newest review first, as ``user`` hears them.
    """
    reviews = Review.objects.select_related("doctor").order_by("-created_at", "-pk")
    reviews = heard_by(reviews, user)
    return (
        Analysis.objects.known_to(user)
        .filter(radiograph__patient=patient)
        .select_related(*RELATED)
        .prefetch_related(Prefetch("reviews", reviews))
        .order_by("-radiograph__acquired_on", "-radiograph_id", "-queued_at", "-pk")
    )


def analysis_reviews(analysis: Analysis, user):
    """The reviews of one analysis with their doctors, newest first.

    Nobody hears what others judged before they have judged themselves.
    """
    return heard_by(analysis.reviews.select_related("doctor"), user)


def heard_by(reviews, user):
    """Those of ``reviews`` that ``user`` gets to see: all of an analysis they judged, or none."""
    own = Review.objects.filter(analysis=OuterRef("analysis"), doctor=user)
    return reviews.filter(Exists(own))


def model_versions_list():
    """All registered versions, newest first."""
    return ModelVersion.objects.all()


def model_production() -> ModelVersion | None:
    """The version that reads radiographs now."""
    return ModelVersion.objects.filter(in_production=True).first()


def queue_status() -> dict:
    """How many analyses wait and run, and for how many seconds the oldest has waited.

    ``{"queued": int, "oldest_queued_seconds": float | None, "running": int}``
    """
    found = Analysis.objects.filter(
        status__in=[Analysis.Status.QUEUED, Analysis.Status.RUNNING]
    ).aggregate(
        queued=Count("pk", filter=Q(status=Analysis.Status.QUEUED)),
        oldest=Min("queued_at", filter=Q(status=Analysis.Status.QUEUED)),
        running=Count("pk", filter=Q(status=Analysis.Status.RUNNING)),
    )
    oldest = found.pop("oldest")
    waited = (timezone.now() - oldest).total_seconds() if oldest else None
    return found | {"oldest_queued_seconds": waited}
