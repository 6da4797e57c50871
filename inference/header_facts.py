"""What a file's header says, put into words and values for the page that sends it."""

from __future__ import annotations

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from patients.models import Patient
from radiology.dicom.header import Header
from radiology.warnings import warning_sentence


def header_facts(header: Header) -> dict:
    """Facts for the page as plain JSON.

    - ``facts``: ``[[name, words], ...]`` to show beside the file;
    - ``fields``: by form field, the ``value`` to prefill and the ``mismatch`` sentence to
      show beside a field that holds another one. A header that knows the age alone gives
      ``birth_date`` no value, but the ``age`` in years and the day ``on`` which it was
      so (empty: on the day of the radiograph that the form holds);
    - ``warnings``: sentences.

    Dates are ISO 8601 in values and localised in sentences.
    """
    facts: list[list[str]] = []
    fields: dict[str, dict] = {}
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
        on = str(header.acquired_on or "")
        fields["birth_date"] = _field("", _mismatch(text)) | {"age": age, "on": on}
    return {
        "facts": facts,
        "fields": fields,
        "warnings": [warning_sentence(entry) for entry in header.warnings],
    }


def _mismatch(text: str) -> str:
    return _("The file says: %(value)s. Check the patient and the file.") % {"value": text}


def _field(value, mismatch: str) -> dict:
    return {"value": str(value), "mismatch": mismatch}
