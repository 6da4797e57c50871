"""What the upload page learns from a header: values to prefill, ranges to compare with."""

import io

import pytest

from inference.header_facts import header_facts
from radiology.dicom.header import peek_header
from tests.radiology.factories import dicom_bytes

pytestmark = pytest.mark.usefixtures("english")


def facts_of(**attributes):
    return header_facts(peek_header(io.BytesIO(dicom_bytes(**attributes))))


def test_what_the_header_knows_is_named_and_offered():
    answer = facts_of(PatientSex="F", PatientBirthDate="19500302")
    assert answer["facts"] == [
        ["Projection", "PA"],
        ["Date", "15 Jan 2024"],
        ["Sex", "female"],
        ["Birth date", "2 Mar 1950"],
    ]
    values = {name: field["value"] for name, field in answer["fields"].items()}
    assert values == {"acquired_on": "2024-01-15", "sex": "F", "birth_date": "1950-03-02"}
    assert "2 Mar 1950" in answer["fields"]["birth_date"]["mismatch"]


def test_an_age_is_compared_and_gives_no_birth_date():
    answer = facts_of(PatientAge="050Y")
    assert ["Age", "50 years"] in answer["facts"]
    field = answer["fields"]["birth_date"]
    assert (field["value"], field["age"], field["on"]) == ("", 50, "2024-01-15")
    undated = facts_of(PatientAge="050Y", AcquisitionDate="", StudyDate="")
    assert undated["fields"]["birth_date"]["on"] == ""


def test_a_header_without_facts_offers_none():
    answer = facts_of(StudyDate="", AcquisitionDate="", ViewPosition="")
    assert answer["facts"] == []
    assert answer["fields"] == {}
    assert answer["warnings"]
