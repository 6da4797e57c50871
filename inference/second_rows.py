"""What the list of second readings says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet

from radiology.models import SecondReading

from .agreement import Agreement, agreement_of
from .models import Analysis, Review
from .presentation import agreement_sentence


@dataclass(frozen=True)
class SecondRow:
    """One request as one of its two doctors sees it.

    ``judged``: that doctor has judged the radiograph's present reading; only then is
    ``agreement`` more than nothing.
    """

    second: SecondReading
    analysis: Analysis | None
    is_mine: bool
    judged: bool
    agreement: Agreement

    @property
    def sentence(self) -> str:
        return agreement_sentence(self.agreement)


def second_rows_list(user) -> QuerySet[SecondReading]:
    """The open requests that ``user`` made or is asked by, in no order."""
    mine = Q(asked_by=user, radiograph__owner=user) | Q(reader=user)
    return SecondReading.objects.filter(mine, is_open=True).select_related("radiograph", "asked_by")


def second_rows(user, found: Sequence[SecondReading]) -> list[SecondRow]:
    """These requests with their readings and what the judgements come to; two queries."""
    analyses = (
        Analysis.objects.visible_to(user)
        .current()
        .filter(radiograph__in=[one.radiograph_id for one in found])
        .prefetch_related(Prefetch("reviews", Review.objects.order_by("-created_at", "-pk")))
    )
    by_radiograph = {one.radiograph_id: one for one in analyses}
    return [_row(user, one, by_radiograph.get(one.radiograph_id)) for one in found]


def _row(user, second: SecondReading, analysis: Analysis | None) -> SecondRow:
    reviews = list(analysis.reviews.all()) if analysis else []
    judged = any(one.doctor_id == user.pk for one in reviews)
    agreement = agreement_of(reviews) if judged else Agreement()
    return SecondRow(second, analysis, second.asked_by_id == user.pk, judged, agreement)
