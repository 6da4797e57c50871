"""What a file's header says, put into words and values for the page that sends it."""

from __future__ import annotations

import datetime as dt

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from patients.models import Patient
from radiology.dicom.header import Header
from radiology.warnings import warning_sentence


def header_facts(header: Header) -> dict:
    """Facts for the page as plain JSON.

    - ``facts``: ``[[name, words], ...]`` to show beside the file;
    - ``fields``: by form field, the ``value`` to prefill (empty when the header cannot
      give one), the range ``from``/``to`` of values that agree with the header, and the
      ``mismatch`` sentence to show beside a field that holds another value;
    - ``warnings``: sentences.

    Dates are ISO 8601 in values and localised in sentences.
    """
    facts: list[list[str]] = []
    fields: dict[str, dict[str, str]] = {}
    if header.view_position:
        facts.append([_("Projection"), header.view_position])
    if header.acquired_on:
        text = date_format(header.acquired_on)
        facts.append([_("Date"), text])
        fields["acquired_on"] = _field(header.acquired_on, _mismatch(text))
    if header.patient_sex:
        text = str(Patient.Sex(header.patient_sex).label)
        facts.append([_("Sex"), text])
        fields["sex"] = _field(header.patient_sex, _mismatch(text))
    if header.patient_birth_date:
        text = date_format(header.patient_birth_date)
        facts.append([_("Birth date"), text])
        fields["birth_date"] = _field(header.patient_birth_date, _mismatch(text))
    elif header.patient_age_years is not None:
        age = header.patient_age_years
        text = ngettext("%(age)s year", "%(age)s years", age) % {"age": age}
        facts.append([_("Age"), text])
        if header.acquired_on:
            fields["birth_date"] = _birth_dates(header.acquired_on, age, _mismatch(text))
    return {
        "facts": facts,
        "fields": fields,
        "warnings": [warning_sentence(entry) for entry in header.warnings],
    }


def _mismatch(text: str) -> str:
    return _("The file says: %(value)s. Check the patient and the file.") % {"value": text}


def _field(value, mismatch: str) -> dict[str, str]:
    return {"value": str(value), "from": str(value), "to": str(value), "mismatch": mismatch}


def _birth_dates(on: dt.date, age: int, mismatch: str) -> dict[str, str]:
    """Birth dates of somebody who is ``age`` years old on a day, with a year to spare."""
    earliest = _years_before(on, age + 2) + dt.timedelta(days=1)
    latest = _years_before(on, max(age - 1, 0))
    return {"value": "", "from": str(earliest), "to": str(latest), "mismatch": mismatch}


def _years_before(day: dt.date, years: int) -> dt.date:
    year = max(day.year - years, 1)
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return day.replace(year=year, day=28)
