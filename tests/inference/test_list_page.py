"""The list of radiographs: what stands in it, its filters, what it costs."""

import datetime as dt

import pytest
from django.urls import reverse

from tests.inference.factories import AnalysisFactory

pytestmark = pytest.mark.django_db

LIST = reverse("inference:list")


def test_an_empty_list_invites_to_begin(doctor_client):
    page = doctor_client.get(LIST).text
    assert "Send your first radiograph" in page
    assert "No radiograph matches" in doctor_client.get(LIST, {"status": "done"}).text


def test_the_list_shows_current_readings_of_the_own_patients(doctor_client, analysis):
    AnalysisFactory(radiograph=analysis.radiograph, is_current=None)
    theirs = AnalysisFactory()
    response = doctor_client.get(LIST)
    assert [row.pk for row in response.context["page"]] == [analysis.pk]
    assert reverse("inference:reading", args=[analysis.radiograph_id]) in response.text
    assert str(theirs.radiograph_id) not in response.text


def test_filters_stand_in_the_address_and_add_up(doctor_client, patient):
    def made(label, certainty, day, **fields):
        return AnalysisFactory(
            radiograph__patient=patient,
            radiograph__acquired_on=day,
            label=label,
            certainty=certainty,
            **fields,
        )

    old = made("normal", "high", dt.date(2020, 1, 1))
    new = made("normal", "low", dt.date(2024, 1, 1))
    other = made("lung_opacity", "low", dt.date(2024, 1, 2))
    failed = AnalysisFactory(
        failed=True, radiograph__patient=patient, radiograph__acquired_on=dt.date(2023, 1, 1)
    )
    elsewhere = AnalysisFactory(
        radiograph__patient__owner=patient.owner,
        radiograph__acquired_on=dt.date(2019, 1, 1),
        label="not_normal",
        certainty="moderate",
    )

    def found(**filters):
        return [row.pk for row in doctor_client.get(LIST, filters).context["page"]]

    assert found() == [other.pk, new.pk, failed.pk, old.pk, elsewhere.pk]
    assert found(label="normal") == [new.pk, old.pk]
    assert found(label="normal", certainty="low") == [new.pk]
    assert found(status="failed") == [failed.pk]
    assert found(since="2023-06-01") == [other.pk, new.pk]
    assert found(until="2020-01-01") == [old.pk, elsewhere.pk]
    assert found(since="2020-01-01", until="2020-01-01") == [old.pk]
    assert found(patient=str(elsewhere.radiograph.patient_id)) == [elsewhere.pk]


@pytest.mark.parametrize(
    ("name", "value"), [("label", "x"), ("since", "31/31/2020"), ("patient", "x"), ("after", "x")]
)
def test_a_filter_that_is_no_filter_filters_nothing(doctor_client, analysis, name, value):
    response = doctor_client.get(LIST, {name: value})
    assert response.status_code == 200
    assert len(response.context["page"]) == 1


def test_another_doctors_patient_is_no_filter_to_peep_through(doctor_client, analysis):
    theirs = AnalysisFactory()
    response = doctor_client.get(LIST, {"patient": str(theirs.radiograph.patient_id)})
    assert len(response.context["page"]) == 0
    assert theirs.radiograph.patient.identifier not in response.text


def test_the_list_costs_the_same_for_many_rows(doctor_client, patient, django_assert_num_queries):
    AnalysisFactory.create_batch(2, radiograph__patient=patient)
    doctor_client.get(LIST)
    # Session, doctor, keys, page, its patients and versions.
    with django_assert_num_queries(6):
        doctor_client.get(LIST)
    AnalysisFactory.create_batch(26, radiograph__patient__owner=patient.owner)
    with django_assert_num_queries(7):  # and the record of another list
        first = doctor_client.get(LIST, {"status": "done"})
    assert len(first.context["page"]) == 25
    after = first.context["page"].after
    with django_assert_num_queries(8):  # and the row after which it starts
        second = doctor_client.get(LIST, {"status": "done", "after": after})
    assert len(second.context["page"]) == 3
    assert f"status=done&amp;before={second.context['page'].before}" in second.text


def test_the_list_is_filtered_by_what_is_not_certain(doctor_client, patient):
    made = {
        name: AnalysisFactory(**{name: True}, radiograph__patient=patient)
        for name in ("certain", "uncertain", "unlike")
    }
    for name, analysis in made.items():
        page = doctor_client.get(LIST, {"certainty": name}).context["page"]
        assert [row.pk for row in page] == [analysis.pk]
