"""Read first, reveal after: what a doctor does not get to see before they have judged.

Who turned ``Doctor.read_first`` on sees a radiograph without what the model made of it,
until they have recorded a class of their own for that radiograph. The rule is kept where
readings leave the database (``AnalysisQuerySet.visible_to``), so that no page, table,
file or answer of the API has to think of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.db.models import Exists, OuterRef, QuerySet


def own_judgements(doctor) -> QuerySet:
    """All judgements of ``doctor``, of whatever analysis of a radiograph."""
    return apps.get_model("inference", "Review").objects.filter(doctor=doctor)


def is_withheld(analysis, doctor) -> bool:
    """Whether ``doctor`` does not get to see this finished analysis yet."""
    if not doctor.read_first:
        return False
    return not own_judgements(doctor).filter(analysis__radiograph=analysis.radiograph_id).exists()


def withhold(analyses: Iterable, doctor) -> None:
    """Empty those of ``analyses`` that ``doctor`` does not get to see yet; one query at most."""
    done = [one for one in analyses if one.status == one.Status.DONE]
    if not done:
        return
    rows = own_judgements(doctor).filter(
        analysis__radiograph__in={one.radiograph_id for one in done}
    )
    judged = set(rows.values_list("analysis__radiograph", flat=True))
    for analysis in done:
        if analysis.radiograph_id not in judged:
            analysis.withhold()


def judged_by(doctor) -> Exists:
    """A condition on analyses: the doctor has judged that radiograph."""
    return Exists(own_judgements(doctor).filter(analysis__radiograph=OuterRef("radiograph")))
