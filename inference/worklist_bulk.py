"""What a doctor does with several readings of the worklist at once: read again, export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone, translation
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from operations.services import access_record_many
from pneumoniapp.errors import CodedError
from pneumoniapp.spreadsheets import csv_text

from .errors import NoModelInProductionError
from .models import LABELS, Analysis, AnalysisQuerySet, Label, Review
from .selectors import RELATED, Whose, model_production
from .services import analysis_request, analysis_requeue
from .wording import SHORT_CERTAINTY, labels_of, one_of
from .worklist import worklist_order, worklist_rows

SELECTION_LIMIT = 200
EXPORT_LIMIT = 10_000
EXPORT_CHUNK = 500


@dataclass(frozen=True)
class Outcome:
    """What became of one selected reading; ``problem`` is empty where it is queued."""

    analysis: Analysis
    problem: str


def readings_reread(*, user, radiographs: list[UUID], request=None) -> tuple[list[Outcome], int]:
    """Queue the readings of these radiographs again, each for itself, with the version in
    production; what became of each, and how many radiographs ``user`` may not see.

    A failed reading goes back to the queue; one by another version is read anew, and the
    old reading is kept. One that is not finished, or that this version made, is left.
    """
    rows = Analysis.objects.treated_by(user).current().select_related(*RELATED)
    found = {row.radiograph_id: row for row in rows.filter(radiograph__in=radiographs)}
    production = model_production()
    outcomes = []
    for pk in radiographs:
        if pk in found:
            problem = _reread(found[pk], production, user, request)
            outcomes.append(Outcome(found[pk], problem))
    return outcomes, len(radiographs) - len(outcomes)


def _reread(analysis: Analysis, production, user, request) -> str:
    try:
        if production is None:
            raise NoModelInProductionError
        if analysis.status == Analysis.Status.FAILED:
            analysis_requeue(analysis=analysis, requested_by=user, request=request)
        elif analysis.model_version_id == production.pk:
            return _("The model in production has read it already.")
        else:
            analysis_request(radiograph=analysis.radiograph, requested_by=user, request=request)
    except CodedError as error:
        return str(error)
    return ""


# --- Export ----------------------------------------------------------------------------------


def export_keys(
    *, user, lookups: dict, radiographs: list[UUID] | None, whose: str = Whose.MINE, request=None
) -> tuple[list[UUID], bool]:
    """The keys of the analyses to export, in the order of the list, and whether there are more.

    All that ``lookups`` leave, or of these only the ``radiographs``; ``EXPORT_LIMIT`` at
    most. That ``user`` reads each of these radiographs is recorded before a line leaves.
    """
    rows = worklist_rows(user, lookups, whose)
    if radiographs is not None:
        rows = rows.filter(radiograph__in=radiographs)
    keys = list(
        rows.order_by(worklist_order(user), "radiograph").values_list(
            "pk", "radiograph", "radiograph__patient"
        )[: EXPORT_LIMIT + 1]
    )
    more = len(keys) > EXPORT_LIMIT
    keys = keys[:EXPORT_LIMIT]
    access_record_many(
        actor=user,
        action="read",
        object_type="radiology.radiograph",
        objects=[(radiograph, patient) for _pk, radiograph, patient in keys],
        channel="export",
        request=request,
    )
    return [pk for pk, _radiograph, _patient in keys], more


def export_lines(
    *, user, keys: list[UUID], more: bool, language: str, whose: str = Whose.MINE
) -> Iterator[str]:
    """The lines of a CSV file for spreadsheets, a chunk of rows at a time.

    Numbers and the separator are those of ``language``, so that a spreadsheet of the same
    language opens the file by a double click; a byte order mark tells it UTF-8.
    """
    with translation.override(language):
        yield "\ufeff"
        # Whose patient it is where they are not all the same doctor's.
        doctor = [_("Doctor")] if whose != Whose.MINE else []
        yield csv_text([[*_heading(), *doctor]])
    for start in range(0, len(keys), EXPORT_CHUNK):
        chunk = keys[start : start + EXPORT_CHUNK]
        rows = _rows(Analysis.objects.known_to(user), chunk, *(["owner"] if doctor else []))
        own = {
            review.analysis_id: review
            for review in Review.objects.filter(analysis__in=chunk, doctor=user, is_current=True)
        }
        with translation.override(language):
            doctors = [[str(row.owner)] if whose != Whose.MINE else [] for row in rows]
            cells = [_cells(row, own.get(row.pk)) for row in rows]
            text = csv_text([*one, *doctor] for one, doctor in zip(cells, doctors, strict=True))
        yield text
    if more:
        with translation.override(language):
            sentence = _("Only the first %(count)s readings are in this file.")
            yield csv_text([[sentence % {"count": EXPORT_LIMIT}]])


def _rows(visible: AnalysisQuerySet, keys: list[UUID], *more: str) -> list[Analysis]:
    found = {row.pk: row for row in visible.filter(pk__in=keys).select_related(*RELATED, *more)}
    return [found[key] for key in keys if key in found]


def _heading() -> list[str]:
    return [
        _("Date of the radiograph"),
        _("Patient"),
        _("Status"),
        _("Class"),
        *(_("Probability: %(label)s") % {"label": Label(label).label} for label in LABELS),
        _("Certainty"),
        _("Judgement"),
        _("Right class"),
        _("Reason"),
        _("Comment"),
        _("Model"),
        _("Received"),
        _("Read on"),
        _("Error code"),
        _("Radiograph"),
    ]


def _cells(analysis: Analysis, own: Review | None) -> list[str]:
    """``own``: the judgement of the doctor who exports."""
    probabilities = analysis.probabilities or {}
    verdicts = dict(Review.Verdict.choices)
    return [
        analysis.radiograph.acquired_on.isoformat(),
        analysis.radiograph.patient.identifier,
        analysis.get_status_display(),
        one_of(labels_of(analysis)),
        *(
            number_format(probabilities[label], 4) if label in probabilities else ""
            for label in LABELS
        ),
        str(SHORT_CERTAINTY.get(analysis.certainty, "")),
        str(verdicts.get(analysis.judgement, "")),
        str(own.get_label_display()) if own else "",
        str(own.get_reason_display()) if own else "",
        own.comment if own else "",
        str(analysis.model_version or ""),
        _moment(analysis.radiograph.received_at),
        _moment(analysis.finished_at),
        analysis.error_code,
        str(analysis.radiograph_id),
    ]


def _moment(at) -> str:
    return date_format(timezone.localtime(at), "Y-m-d H:i:s") if at else ""
