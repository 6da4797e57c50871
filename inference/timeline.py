"""A patient's radiographs in time: of each the current reading and all that it replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Prefetch, prefetch_related_objects

from patients.selectors import may_treat
from pneumoniapp.paging import Page, keyset_page

from .models import Analysis, ModelVersion, Review
from .selectors import heard_by, model_production, patient_readings

PAGE_SIZE = 10
# How many of the newest radiographs the chart is made of.
CHART_LIMIT = 100


@dataclass(frozen=True)
class Entry:
    """One radiograph: its current reading, the ``earlier`` ones, the newest first, and the
    version in ``production`` (``None`` where there is none).

    Of the reviews of each reading those that count, and that the doctor gets to see, are at
    hand: ``analysis.reviews.all()``.
    """

    analysis: Analysis
    earlier: list[Analysis]
    production: ModelVersion | None

    @property
    def outdated(self) -> bool:
        """Whether another version than the one in production made the current reading."""
        done = self.analysis.status == Analysis.Status.DONE
        return bool(
            done and self.production and self.analysis.model_version_id != self.production.pk
        )


def timeline_page(user, patient, params) -> Page:
    """The page of ``patient``'s entries that ``params`` asks for, the newest first."""
    page = keyset_page(
        patient_readings(user, patient),
        order="-radiograph__acquired_on",
        key="radiograph__pk",
        params=params,
        size=PAGE_SIZE,
    )
    return replace(page, rows=timeline_entries(user, page.rows))


def timeline_entries(user, analyses: Sequence[Analysis]) -> list[Entry]:
    """``analyses`` (current ones) with what stands beside them: three queries at most."""
    analyses = list(analyses)
    if not analyses:
        return []
    earlier: dict = {analysis.radiograph_id: [] for analysis in analyses}
    replaced = Analysis.objects.known_to(user).filter(radiograph__in=earlier, is_current=None)
    for analysis in replaced.select_related("model_version").order_by("-queued_at", "-pk"):
        earlier[analysis.radiograph_id].append(analysis)
    every = [*analyses, *(one for found in earlier.values() for one in found)]
    counting = heard_by(Review.objects.filter(is_current=True).select_related("doctor"), user)
    prefetch_related_objects(every, Prefetch("reviews", counting.order_by("-created_at", "-pk")))
    production = model_production()
    return [
        Entry(
            one,
            earlier[one.radiograph_id],
            # Who only looks can't have it read again, and is not offered to.
            production if may_treat(user, one.radiograph.patient) else None,
        )
        for one in analyses
    ]
