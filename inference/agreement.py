"""What several doctors' judgements of one reading come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from .models import Analysis, Label, Review


@dataclass(frozen=True)
class Agreement:
    """``state`` and, where there is one, the class that came of it.

    - ``""``: fewer than two doctors have judged;
    - ``agree``: all see the same class;
    - ``differ``: they don't, and it waits for another judgement or a decision;
    - ``majority``: more doctors see ``label`` than any other class;
    - ``decided``: an administrator has decided.
    """

    state: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        return str(Label(self.label).label) if self.label else ""


def agreement_of(reviews: Iterable[Review]) -> Agreement:
    """What the judgements of one analysis come to; the newest decision settles it."""
    reviews = list(reviews)
    decisions = [one for one in reviews if one.kind == Review.Kind.DECISION]
    if decisions:
        newest = max(decisions, key=lambda one: (one.created_at, one.pk))
        return Agreement("decided", newest.label)
    counts = Counter(one.label for one in reviews if one.is_current).most_common()
    if sum(count for _label, count in counts) < 2:
        return Agreement()
    label, most = counts[0]
    if len(counts) == 1:
        return Agreement("agree", label)
    if most > counts[1][1]:
        return Agreement("majority", label)
    return Agreement("differ")


def in_dispute(analyses: QuerySet[Analysis]) -> QuerySet[Analysis]:
    """Those of ``analyses`` that doctors judge differently and nobody has decided.

    A third judgement may have made a majority of them: ``agreement_of`` tells.
    """
    standing = Review.objects.filter(analysis=OuterRef("pk"), is_current=True)
    decided = Review.objects.filter(analysis=OuterRef("pk"), kind=Review.Kind.DECISION)
    differ = Q()
    for label in Label.values:
        differ |= Exists(standing.filter(label=label)) & Exists(standing.exclude(label=label))
    return analyses.filter(differ, ~Exists(decided))
