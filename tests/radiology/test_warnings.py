"""Every flag has a sentence, in both languages' forms of dates and words."""

import datetime as dt

import pytest
from django.utils import translation

from radiology.warnings import SENTENCES, warning_sentence, warnings_now
from tests.radiology.factories import RadiographFactory


def test_facts_stand_in_the_sentence(english):
    entry = {"code": "birth_date_mismatch", "file": "1940-03-05", "given": "1940-05-03"}
    sentence = warning_sentence(entry)
    assert "5 Mar 1940" in sentence
    assert "3 May 1940" in sentence
    assert "male" in warning_sentence({"code": "sex_mismatch", "file": "M", "given": "F"})
    assert "72" in warning_sentence({"code": "age_mismatch", "file": 72, "given": 74})


def test_dates_are_written_as_the_reader_does():
    entry = {"code": "acquired_on_mismatch", "file": "2024-01-15", "given": "2024-01-14"}
    with translation.override("fr"):
        assert "15/01/2024" in warning_sentence(entry)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_code_has_a_sentence(code, english):
    facts = {"file": "2024-01-15", "given": "2024-01-14"} if code.endswith("mismatch") else {}
    sentence = warning_sentence({"code": code, **facts})
    assert sentence.endswith(".")
    assert "%" not in sentence


def test_a_code_of_another_version_is_no_error(english):
    assert "remark" in warning_sentence({"code": "from_the_future", "file": 1})


@pytest.mark.django_db
def test_a_correction_of_the_patient_ends_or_changes_a_warning():
    radiograph = RadiographFactory(
        warnings=[
            {"code": "sex_mismatch", "file": "M", "given": "F"},
            {"code": "birth_date_mismatch", "file": "1960-05-17", "given": "1961-05-17"},
            {"code": "age_mismatch", "file": 63, "given": 20},
            {"code": "view_unknown"},
        ],
        acquired_on=dt.date(2024, 1, 15),
        patient__sex="M",
        patient__birth_date=dt.date(1959, 5, 17),
    )

    assert warnings_now(radiograph) == [
        {"code": "birth_date_mismatch", "file": "1960-05-17", "given": "1959-05-17"},
        {"code": "view_unknown"},
    ]
