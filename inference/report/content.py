"""What a report says, as plain data in the reader's language: no markup, no layout.

``{"lang", "title", "description", "page", "disclaimer", "sections": [{"heading"?, "parts":
[{"kind": ...}]}]}``; ``report.typ`` has one function for each kind of part. Whatever names
pictures names keys of the files that go with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from inference import wording
from inference.agreement import agreement_of
from inference.history_chart import HEIGHT, WIDTH, Chart, history_chart
from inference.models import Analysis, Label, Review
from inference.presentation import ReadingView, agreement_sentence
from patients.models import Patient
from pneumoniapp.templatetags.ui import percent

from .characters import is_right_to_left, printable

RADIOGRAPH, MAP = "radiograph.jpg", "map.png"
# What takes about 0.4 s to set; a longer report says that it is not whole.
LONGEST_HISTORY = 300
SHORT_HISTORY = 50
# Shares of the page's width: date, class, three probabilities, certainty, model, judgement.
WIDTHS = [1.6, 1.7, 1.0, 1.4, 1.2, 1.4, 1.6, 2.0]

# Below this the map is clear (inference.explanation.CLEAR_BELOW; it needs OpenCV to import).
MAP_FROM = 0.2

Link = Callable[[str], str]


def reading_report(
    analysis: Analysis,
    history: Sequence[Analysis],
    *,
    made_by,
    pictures: set[str] | None,
    link: Link,
) -> dict:
    """The report of one finished reading.

    ``history`` are the patient's analyses (``patient_analyses``), ``pictures`` the files at
    hand among ``RADIOGRAPH`` and ``MAP`` (``None``: they are damaged), ``link`` makes an
    address of a path whole.
    """
    reading = ReadingView(analysis, made_by)
    day = _day(analysis.radiograph.acquired_on)
    sections = [
        {"parts": [_facts_of_reading(reading, made_by, link)]},
        {"heading": _("Reading"), "parts": _claim(reading)},
        {"heading": _("Radiograph"), "parts": _pictures(reading, pictures)},
        {"heading": _("Doctors' judgements"), "parts": _judgements(reading.reviews)},
        _history(history, SHORT_HISTORY, this=analysis),
    ]
    title = _("Reading of the chest radiograph of %(day)s") % {"day": day}
    return _report(title, _("Report of one reading, made by PneumoniApp"), sections)


def patient_report(patient: Patient, history: Sequence[Analysis], *, made_by, link: Link) -> dict:
    """The report of all readings of ``patient``, those that were replaced included."""
    sections = [
        {"parts": [_facts(*_facts_of_patient(patient), *_made(made_by))]},
        _history(history, LONGEST_HISTORY),
        _versions(history[:LONGEST_HISTORY], link),
    ]
    title = _("Chest radiographs of one patient")
    return _report(title, _("Report of a patient's readings, made by PneumoniApp"), sections)


def _report(title: str, description: str, sections: list[dict]) -> dict:
    return {
        "lang": (get_language() or "en").partition("-")[0],
        "title": title,
        "description": description,
        # Translators: keep {page} and {pages}.
        "page": _("Page {page} of {pages}"),
        "disclaimer": _(
            "PneumoniApp assists a doctor's reading; it never decides. It is not a medical "
            "device, and every result needs a doctor's own judgement."
        ),
        "sections": [section for section in sections if section["parts"]],
    }


# --- Facts ---------------------------------------------------------------------------------


def _facts(*rows: dict) -> dict:
    return {"kind": "facts", "rows": [row for row in rows if row["text"]]}


def _fact(name: str, text: str, url: str = "") -> dict:
    return {"name": name, "text": text} | ({"url": url} if url else {})


def _facts_of_patient(patient: Patient) -> list[dict]:
    return [
        _fact(_("Patient identifier"), patient.identifier),
        _fact(_("Sex"), capfirst(patient.get_sex_display())),
        _fact(_("Birth date"), _day(patient.birth_date)),
    ]


def _made(made_by) -> list[dict]:
    return [
        _fact(_("Doctor"), str(made_by)),
        _fact(_("Report made on"), _moment(timezone.now())),
    ]


def _facts_of_reading(reading: ReadingView, made_by, link: Link) -> dict:
    analysis, radiograph = reading.analysis, reading.radiograph
    version = analysis.model_version
    return _facts(
        *_facts_of_patient(reading.patient),
        _fact(_("Date of the radiograph"), _day(radiograph.acquired_on)),
        _fact(_("Projection"), radiograph.view_position),
        _fact(_("Received on"), _moment(radiograph.received_at)),
        _fact(_("Read on"), _moment(analysis.finished_at)),
        _fact(_("Model, with its card"), str(version), link(version.card_url())),
        *_made(made_by),
    )


# --- The reading ---------------------------------------------------------------------------


def _paragraph(text: str, style: str = "") -> dict:
    return {"kind": "paragraph", "text": text, "style": style}


def _claim(reading: ReadingView) -> list[dict]:
    analysis = reading.analysis
    certainty = reading.call_for_a_person or str(analysis.get_certainty_display())
    parts = [
        _paragraph(reading.headline, "headline"),
        _paragraph(reading.class_meaning),
        _paragraph(certainty, "strong"),
        _paragraph(reading.certainty_meaning),
        _paragraph(reading.triage),
    ]
    parts = [part for part in parts if part["text"]]
    if reading.unlike:
        text = _("The probabilities below mean nothing for such an image.")
        parts.append(_paragraph(text, "strong"))
    bars = [
        {"class": one.label, "name": one.name, "value": one.value, "chosen": one.chosen}
        | {"text": percent(one.value)}
        for one in reading.bars
    ]
    header = [_("Class"), _("Calibrated probability"), _("Probability, drawn")]
    parts.append({"kind": "bars", "header": header, "rows": bars})
    if reading.warnings:
        parts.append(_paragraph(_("Please check"), "strong"))
        parts.append({"kind": "bullets", "items": reading.warnings})
    return parts


def _pictures(reading: ReadingView, pictures: set[str] | None) -> list[dict]:
    radiograph = reading.radiograph
    if pictures is None:
        return [_paragraph(_("The stored pictures of this radiograph are damaged."))]
    if RADIOGRAPH not in pictures:
        return [_paragraph(_("No preview of this radiograph."))]
    shape = radiograph.columns / radiograph.rows
    day = {"day": _day(radiograph.acquired_on)}
    marked = _marked(reading.reviews)
    caption = _("The radiograph as it was read, made smaller.")
    if marked:
        caption += " " + _("The numbered frames are the regions that doctors marked.")
    items = [
        {
            "files": [RADIOGRAPH],
            "shape": shape,
            "alt": _("Chest radiograph of %(day)s") % day,
            "caption": caption,
            "regions": [review.region for review in marked],
        }
    ]
    if MAP in pictures:
        items.append(
            {
                "files": [RADIOGRAPH, MAP],
                "shape": shape,
                "regions": [],
                "alt": _(
                    "The same radiograph with colours laid over it: from blue to yellow, what "
                    "speaks for “%(label)s”"
                )
                % {"label": Label(reading.analysis.label).label},
                "caption": " ".join(
                    [
                        reading.map_meaning,
                        _("The colours go from %(low)s (blue) to %(high)s (yellow).")
                        % {"low": percent(MAP_FROM), "high": percent(1.0)},
                    ]
                ),
            }
        )
    return [{"kind": "pictures", "items": items}]


# --- Judgements ----------------------------------------------------------------------------


def _judgements(reviews: Sequence[Review]) -> list[dict]:
    if not reviews:
        return [_paragraph(_("No doctor has judged this reading yet."))]
    numbers = {review.pk: number for number, review in enumerate(_marked(reviews), start=1)}
    items = [
        {
            "verdict": _verdict(review),
            "by": f"{review.doctor}, {_moment(review.created_at)}",
            "lines": _lines("\n".join([*_remarks(review, numbers.get(review.pk)), review.comment])),
        }
        for review in reviews
    ]
    outcome = agreement_sentence(agreement_of(reviews))
    parts = [_paragraph(outcome, "strong")] if outcome else []
    return [*parts, {"kind": "judgements", "items": items}]


def _verdict(review: Review) -> str:
    if review.kind == Review.Kind.DECISION:
        return _("Decision: %(label)s") % {"label": review.get_label_display()}
    if review.verdict == Review.Verdict.APPROVED:
        return str(review.get_verdict_display())
    return _("Contested: %(label)s") % {"label": review.get_label_display()}


def _marked(reviews: Sequence[Review]) -> list[Review]:
    """The judgements that stand and mark a region, in the order of their frames' numbers."""
    return [review for review in reviews if review.is_current and review.region]


def _remarks(review: Review, frame: int | None) -> list[str]:
    reason = review.get_reason_display()
    return [
        _("Before the reading was shown") if review.before_reading else "",
        _("Reason: %(reason)s") % {"reason": reason} if reason else "",
        _("Region: frame %(number)s on the radiograph") % {"number": frame} if frame else "",
    ]


def _lines(text: str) -> list[dict]:
    """What a person typed, by lines, each with the direction of its script."""
    lines = printable(text).split("\n")
    return [{"text": line, "from_right": is_right_to_left(line)} for line in lines if line.strip()]


def _last_judgements(analysis: Analysis) -> list[str]:
    """The last judgement of each doctor, the newest first."""
    last: dict = {}
    for review in analysis.reviews.all():
        last.setdefault(review.doctor_id, review)
    return [f"{_verdict(review)} ({review.doctor})" for review in last.values()]


# --- History -------------------------------------------------------------------------------


def _history(history: Sequence[Analysis], limit: int, this: Analysis | None = None) -> dict:
    if not history:
        text = _("No radiograph of this patient has been received yet.")
        return {"heading": _("History of the patient"), "parts": [_paragraph(text)]}
    rows = history[:limit]
    current = [analysis for analysis in rows if analysis.is_current]
    parts = [_chart(chart)] if (chart := history_chart(current)) else []
    header = [_("Date"), _("Class")]
    header += [str(Label(label).label) for label in Label.values]
    header += [_("Certainty"), _("Model"), _("Judgement")]
    cells = [{"cells": _cells(one, this), "current": one == this} for one in rows]
    parts.append({"kind": "rows", "widths": WIDTHS, "header": header, "rows": cells})
    if len(history) > limit:
        text = _("Only the newest readings are listed here: %(limit)s.") % {"limit": limit}
        parts.append(_paragraph(text, "small"))
    return {"heading": _("History of the patient"), "parts": parts}


def _cells(analysis: Analysis, this: Analysis | None) -> list[list[str]]:
    day = [_day(analysis.radiograph.acquired_on)]
    if analysis == this:
        day.append(_("(this one)"))
    if not analysis.is_current:
        day.append(_("(replaced by a later reading)"))
    probabilities = analysis.probabilities or {}
    named = " / ".join(str(Label(label).label) for label in wording.labels_of(analysis))
    if analysis.status != Analysis.Status.DONE:
        named = str(analysis.get_status_display())
    if analysis.withheld:
        named = _("Not shown before your own judgement")
    certainty = wording.SHORT_CERTAINTY.get(analysis.certainty, "–")
    return [
        day,
        [named or "–"],
        *([percent(probabilities.get(label))] for label in Label.values),
        [str(certainty)],
        [str(analysis.model_version or "–")],
        _last_judgements(analysis) or ["–"],
    ]


def _chart(chart: Chart) -> dict:
    points = [
        {
            "class": series.label,
            "name": series.name,
            "lines": [_points(path) for path in series.paths],
            "marks": [[float(mark.x), float(mark.y)] for mark in series.marks],
        }
        for series in chart.series
    ]
    described = []
    for series in chart.series:
        values = ", ".join(
            f"{_day(mark.analysis.radiograph.acquired_on)} {percent(mark.value)}"
            for mark in series.marks[-SHORT_HISTORY:]
        )
        described.append(_("%(group)s: %(name)s") % {"group": series.name, "name": values})
    return {
        "kind": "chart",
        "width": WIDTH,
        "height": HEIGHT,
        "left": float(chart.left),
        "right": float(chart.right),
        "bottom": float(chart.bottom),
        "levels": [{"y": float(y), "text": percent(level)} for y, level in chart.levels],
        "days": [
            {"x": float(x), "text": _day(day), "last": place > 0}
            for place, (x, day) in enumerate(chart.days)
        ],
        "series": points,
        "alt": ". ".join([_("Probability of each class over time"), *described]) + ".",
        "caption": _("Probability of each class over time")
        + ". "
        + _(
            "Readings of different model versions are not joined by a line. What is not like "
            "what the model knows is left out."
        ),
    }


def _points(path: str) -> list[list[float]]:
    """The corners of an SVG path of straight lines, ``M1 2 L3 4``."""
    return [[float(number) for number in corner.split()] for corner in path[1:].split(" L")]


def _versions(history: Sequence[Analysis], link: Link) -> dict:
    """The model versions that read, each with its card."""
    versions = {one.model_version_id: one.model_version for one in history if one.model_version}
    rows = [_fact(_("Model card"), str(one), link(one.card_url())) for one in versions.values()]
    return {"heading": _("Models that read"), "parts": [_facts(*rows)] if rows else []}


def _day(day) -> str:
    return date_format(day, "DATE_FORMAT")


def _moment(moment) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
