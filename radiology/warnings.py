"""What a person must look at before trusting a reading: codes on the row, sentences on show."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from patients.models import Patient

if TYPE_CHECKING:
    from .models import Radiograph

# Years by which an age in the header may differ: it is rounded, and may be of another day.
AGE_TOLERANCE = 1

TEXT_SUSPECTED = "burned_in_text_suspected"

# ``%(file)s`` and ``%(given)s``: what the file says, and what the doctor said.
SENTENCES: dict[str, Promise] = {
    "acquired_on_mismatch": _(
        "The file is dated %(file)s, but the date given for the radiograph is %(given)s."
    ),
    "age_mismatch": _(
        "The file says that the patient is %(file)s years old; by the birth date given, the "
        "age was %(given)s."
    ),
    "birth_date_mismatch": _(
        "The file gives the birth date %(file)s, but the patient's birth date is %(given)s."
    ),
    "body_part_unknown": _("The file does not say that this is a chest radiograph."),
    "burned_in_annotation": _(
        "The image contains text, which may name the patient: it was not removed."
    ),
    TEXT_SUSPECTED: _(
        "The image seems to carry text. Look whether it names the patient before you hand the "
        "image on."
    ),
    "modality_unknown": _("The file does not say that this is a plain radiograph."),
    "patient_mismatch": _(
        "The file and what is known of the patient disagree; the patient's doctor sees in what."
    ),
    "secondary_capture": _(
        "This is a secondary capture: a picture made from a radiograph, not the original. It may "
        "have lost detail or carry burned-in text."
    ),
    "sex_mismatch": _("The file gives the sex %(file)s, but the patient's sex is %(given)s."),
    "view_unknown": _("The file does not say that this is a frontal view (PA or AP)."),
}
# Entries whose facts are the patient's.
OF_THE_PATIENT = frozenset({"age_mismatch", "birth_date_mismatch", "sex_mismatch"})
UNKNOWN = _("There is a remark about this radiograph that this version can't show.")


def warnings_now(radiograph: Radiograph) -> list[dict]:
    """``radiograph.warnings`` against the patient as they are now, not as they were at upload.

    A birth date or sex that was corrected since to what the file says is no warning any more;
    one that was changed otherwise is shown as it is. Nor is text a warning that an
    administrator has looked at and found harmless.
    """
    patient = radiograph.patient
    present = {
        "birth_date_mismatch": patient.birth_date.isoformat(),
        "sex_mismatch": patient.sex,
        "age_mismatch": age_in_years(patient.birth_date, radiograph.acquired_on),
    }
    entries = [
        entry | {"given": present[entry["code"]]} if entry.get("code") in present else entry
        for entry in radiograph.warnings
    ]
    return [entry for entry in entries if not (_agrees(entry) or _harmless(entry, radiograph))]


def without_patient(entries: list[dict]) -> list[dict]:
    """``entries`` for who may not know the patient: of theirs, only that something disagrees."""
    kept = [entry for entry in entries if entry.get("code") not in OF_THE_PATIENT]
    return kept if len(kept) == len(entries) else [*kept, {"code": "patient_mismatch"}]


def _agrees(entry: dict) -> bool:
    if entry.get("code") == "age_mismatch":
        return abs(entry["given"] - entry["file"]) <= AGE_TOLERANCE
    return "given" in entry and entry["given"] == entry["file"]


def _harmless(entry: dict, radiograph: Radiograph) -> bool:
    is_text = entry.get("code") == TEXT_SUSPECTED
    return is_text and radiograph.text_state == radiograph.TextState.HARMLESS


def age_in_years(birth_date: dt.date, day: dt.date) -> int:
    """Completed years of life on ``day``."""
    before_birthday = (day.month, day.day) < (birth_date.month, birth_date.day)
    return day.year - birth_date.year - before_birthday


def warning_sentence(entry: dict) -> str:
    """The translated sentence of one entry of ``Radiograph.warnings`` or ``Header.warnings``."""
    code = entry.get("code", "")
    sentence = SENTENCES.get(code)
    if sentence is None:
        return str(UNKNOWN)
    shown = {name: _shown(code, entry.get(name)) for name in ("file", "given") if name in entry}
    return str(sentence) % shown if shown else str(sentence)


def _shown(code: str, value) -> str:
    """A fact in the reader's words: dates are stored as ISO 8601, sexes as their letter."""
    if code == "sex_mismatch":
        return str(dict(Patient.Sex.choices).get(value, value))
    if code in ("acquired_on_mismatch", "birth_date_mismatch"):
        return date_format(dt.date.fromisoformat(value))
    return str(value)
