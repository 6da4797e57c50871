"""Patients over REST."""

import datetime as dt
import time

import pytest
from django.utils import timezone

from operations.models import AccessEvent
from patients.models import Patient
from tests.patients.factories import PatientFactory

from .problems import assert_problem

LIST, SEARCH = "/api/v1/patients/", "/api/v1/patients/search/"
GIVEN = {"identifier": "IPP 12/b", "sex": "F", "birth_date": "1961-05-04"}

pytestmark = pytest.mark.django_db


def address(patient) -> str:
    return f"{LIST}{patient.pk}/"


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_create_and_retrieve(api, doctor):
    response = api.post(LIST, GIVEN)
    assert response.status_code == 201
    body = response.json()
    assert {name: body[name] for name in GIVEN} == GIVEN
    patient = Patient.objects.get(owner=doctor)
    assert response["Location"] == f"http://testserver{address(patient)}"
    assert api.get(response["Location"]).json() == body
    events = AccessEvent.objects.filter(actor=doctor, object_id=str(patient.pk))
    assert sorted(events.values_list("action", flat=True)) == ["create", "read"]


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"identifier": ""}, {"identifier": "blank"}),
        ({"identifier": 12}, {"identifier": "invalid"}),
        ({"identifier": "a" * 65}, {"identifier": "max_length"}),
        ({"identifier": "<b>"}, {"identifier": "invalid"}),
        ({"identifier": " A"}, {"identifier": "invalid"}),
        ({"sex": "X"}, {"sex": "invalid_choice"}),
        ({"sex": None}, {"sex": "null"}),
        ({"birth_date": "04/05/1961"}, {"birth_date": "invalid"}),
        ({"birth_date": "19610504"}, {"birth_date": "invalid"}),
        ({"birth_date": "1961-02-30"}, {"birth_date": "invalid"}),
        ({"birth_date": 19610504}, {"birth_date": "invalid"}),
        ({"birthdate": "1961-05-04"}, {"birthdate": "unknown"}),
        ({"owner": 1}, {"owner": "unknown"}),
    ],
)
def test_wrong_values_are_named_by_field(api, change, errors):
    assert_problem(api.post(LIST, GIVEN | change), 400, "invalid", **errors)
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ((timezone.localdate() + dt.timedelta(days=2)).isoformat(), "birth_date_in_future"),
        ("1799-01-01", "birth_date_too_early"),
    ],
)
def test_impossible_birth_dates_have_their_codes(api, day, code):
    assert_problem(api.post(LIST, GIVEN | {"birth_date": day}), 400, code)


def test_an_identifier_is_taken_once_by_a_doctor_and_free_for_others(api, other_api):
    assert api.post(LIST, GIVEN).status_code == 201
    same = GIVEN | {"identifier": "ipp  12/B "}
    assert_problem(api.post(LIST, same), 409, "patient_exists")
    assert other_api.post(LIST, GIVEN).status_code == 201


def test_all_mistakes_are_told_at_once(api):
    response = api.post(LIST, {"identifier": "", "birthdate": "1961-05-04"})
    assert_problem(
        response,
        400,
        "invalid",
        identifier="blank",
        sex="required",
        birth_date="required",
        birthdate="unknown",
    )


def test_put_and_patch(api, doctor):
    patient = PatientFactory(owner=doctor, identifier="A1", sex="M")
    response = api.patch(address(patient), {"sex": "O"})
    assert response.status_code == 200
    assert (response.json()["identifier"], response.json()["sex"]) == ("A1", "O")
    assert api.patch(address(patient), {}).json()["sex"] == "O"
    assert_problem(
        api.put(address(patient), {"identifier": "B2"}),
        400,
        "invalid",
        sex="required",
        birth_date="required",
    )
    assert api.put(address(patient), GIVEN).json()["identifier"] == GIVEN["identifier"]
    patient.refresh_from_db()
    assert (patient.sex, patient.birth_date) == ("F", dt.date(1961, 5, 4))


def test_nothing_is_deleted(api, doctor):
    patient = PatientFactory(owner=doctor)
    response = api.delete(address(patient))
    assert_problem(response, 405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "PATCH"}
    assert Patient.objects.filter(pk=patient.pk).exists()


def test_another_doctors_patient_looks_like_none(api, other_doctor):
    theirs = PatientFactory(owner=other_doctor, identifier="X9")
    nobody = "/api/v1/patients/01890a5d-ac96-774b-bcce-b302099a8057/"
    for method, body in (("get", None), ("put", GIVEN), ("patch", GIVEN)):
        answers = [getattr(api, method)(url, body) for url in (address(theirs), nobody)]
        assert_problem(answers[0], 404, "not_found")
        assert answers[0].content == answers[1].content
    assert ids(api.get(LIST)) == []
    assert ids(api.post(SEARCH, {"identifier": "X9"})) == []
    theirs.refresh_from_db()
    assert theirs.identifier == "X9"
    events = AccessEvent.objects.filter(object_id=str(theirs.pk))
    assert set(events.values_list("action", flat=True)) <= {"refused"}


def test_search_is_by_the_whole_identifier_in_a_body(api, doctor):
    known = PatientFactory(owner=doctor, identifier="AbC-1")
    PatientFactory(owner=doctor, identifier="AbC-12")
    assert ids(api.post(SEARCH, {"identifier": "abc-1 "})) == [str(known.pk)]
    assert ids(api.post(SEARCH, {"identifier": "nobody"})) == []
    assert_problem(api.get(SEARCH), 405, "method_not_allowed")
    assert_problem(api.get(LIST, {"identifier": "AbC-1"}), 400, "invalid", identifier="unknown")


def test_filters(api, doctor):
    old = PatientFactory(owner=doctor, sex="F", birth_date=dt.date(1940, 1, 1))
    young = PatientFactory(owner=doctor, sex="M", birth_date=dt.date(1990, 6, 15))
    Patient.objects.filter(pk=old.pk).update(
        created_at=dt.datetime(2020, 3, 1, 23, 59, tzinfo=timezone.get_default_timezone())
    )
    expected = {
        "sex=F": [old],
        "birth_date_from=1940-01-01": [young, old],
        "birth_date_from=1940-01-02": [young],
        "birth_date_to=1990-06-15": [young, old],
        "birth_date_to=1990-06-14": [old],
        "created_to=2020-03-01": [old],
        "created_to=2020-02-29": [],
        "created_from=2020-03-01": [young, old],
        "created_from=2020-03-02": [young],
        "created_from=0001-01-01": [young, old],
        "created_to=9999-12-31": [young, old],
        "birth_date_from=0001-01-01": [young, old],
    }
    for query, patients in expected.items():
        assert ids(api.get(f"{LIST}?{query}")) == [str(patient.pk) for patient in patients], query


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("sex=Z", {"sex": "invalid_choice"}),
        ("sex=", {"sex": "invalid"}),
        ("sex=F&sex=M", {"sex": "invalid"}),
        ("birth_date_from=1.1.1990", {"birth_date_from": "invalid"}),
        ("birthdate_from=1990-01-01", {"birthdate_from": "unknown"}),
        ("page_size=0", {"page_size": "invalid"}),
        ("page_size=101", {"page_size": "invalid"}),
        ("page_size=ten", {"page_size": "invalid"}),
    ],
)
def test_a_wrong_parameter_is_never_overlooked(api, query, errors):
    assert_problem(api.get(f"{LIST}?{query}"), 400, "invalid", **errors)


def test_a_made_up_cursor_is_refused(api):
    assert_problem(api.get(f"{LIST}?cursor=abc"), 400, "invalid_cursor")


def walk(api, url: str, link: str) -> list[list[str]]:
    pages = []
    while url:
        response = api.get(url)
        pages.append(ids(response))
        url = response.json()[link]
    return pages


def test_pages_forth_and_back_without_loss_while_rows_arrive(api, doctor):
    keys = sorted((str(PatientFactory(owner=doctor).pk) for _ in range(7)), reverse=True)
    assert walk(api, f"{LIST}?page_size=3", "next") == [keys[:3], keys[3:6], keys[6:]]

    first = api.get(f"{LIST}?page_size=3&birth_date_from=1900-01-01").json()
    assert first["previous"] is None
    time.sleep(0.002)  # keys are ordered by the millisecond
    newcomer = str(PatientFactory(owner=doctor).pk)
    second = api.get(first["next"])
    assert ids(second) == keys[3:6]
    assert "birth_date_from=1900-01-01" in second.json()["next"]
    back = api.get(second.json()["previous"])
    assert ids(back) == keys[:3]
    assert ids(api.get(back.json()["previous"])) == [newcomer]

    # The row that a cursor names may be gone.
    Patient.objects.filter(pk=keys[2]).delete()
    assert ids(api.get(first["next"])) == keys[3:6]


def test_the_list_costs_the_same_for_any_number_of_patients(api, doctor, django_assert_num_queries):
    PatientFactory.create_batch(3, owner=doctor)
    with django_assert_num_queries(4):
        # The token, keys, the page, the record of access.
        api.get(LIST)
    PatientFactory.create_batch(20, owner=doctor)
    with django_assert_num_queries(3):
        # The same read within five minutes is recorded once.
        assert len(ids(api.get(LIST))) == 23
