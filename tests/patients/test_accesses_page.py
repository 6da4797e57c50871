"""Who looked at a patient, as the patient's doctor sees it."""

import pytest
from django.urls import reverse

from operations.services import access_record
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor)


def page_of(patient) -> str:
    return reverse("patients:accesses", args=[patient.pk])


def rows(response) -> list[tuple]:
    return [(row.who, row.what, row.event.action, row.why) for row in response.context["rows"]]


def test_it_says_who_looked_at_what_and_why(doctor_client, doctor, patient):
    colleague, other = DoctorFactory(last_name="Second"), PatientFactory(owner=doctor)
    radiograph = AnalysisFactory(radiograph__patient=patient).radiograph
    access_record(actor=colleague, action="read", obj=radiograph)
    access_record(actor=colleague, action="read", obj=patient, reason="break_glass:1a")
    access_record(actor=None, action="update", obj=patient)
    access_record(actor=colleague, action="read", obj=other)
    response = doctor_client.get(page_of(patient))
    assert rows(response) == [
        (str(doctor), "Patient", "read", ""),
        ("the program", "Patient", "update", ""),
        (str(colleague), "Patient", "read", "emergency access"),
        (str(colleague), "Radiograph", "read", ""),
    ]
    assert "(you)" in response.text
    assert "emergency access" in response.text


def test_the_patients_page_leads_there(doctor_client, patient):
    page = doctor_client.get(reverse("patients:detail", args=[patient.pk])).text
    assert page_of(patient) in page


def test_an_administrators_look_is_shown(doctor_client, client_for, patient):
    administrator = AdminFactory(last_name="Overseer")
    client_for(administrator).get(reverse("admin:patients_patient_change", args=[patient.pk]))
    assert "Overseer" in doctor_client.get(page_of(patient)).text


def test_nobody_else_sees_it(other_doctor_client, client, patient):
    assert other_doctor_client.get(page_of(patient)).status_code == 404
    assert client.get(page_of(patient)).status_code == 302


def test_it_comes_in_pages_and_costs_the_same(
    doctor_client, doctor, patient, django_assert_num_queries
):
    for number in range(120):
        access_record(
            actor=DoctorFactory() if number % 20 == 0 else doctor, action="update", obj=patient
        )
    doctor_client.get(page_of(patient))  # recorded once in five minutes
    # session, doctor, patient, keys, rows with their actors
    with django_assert_num_queries(5):
        first = doctor_client.get(page_of(patient))
    assert len(first.context["rows"]) == 50
    after = first.context["page"].after
    with django_assert_num_queries(6):  # and the row after which it starts
        second = doctor_client.get(page_of(patient), {"after": after})
    seen = [row.event.pk for page in (first, second) for row in page.context["rows"]]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 100
    third = doctor_client.get(page_of(patient), {"after": second.context["page"].after})
    assert len(third.context["rows"]) == 21
    back = doctor_client.get(page_of(patient), {"before": third.context["page"].before})
    assert [row.event.pk for row in back.context["rows"]] == seen[50:]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, "١", ""])
def test_a_wrong_place_is_the_beginning(doctor_client, patient, after):
    assert doctor_client.get(page_of(patient), {"after": after}).status_code == 200
