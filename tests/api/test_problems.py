"""Refusals that have nothing to do with a domain: each one is a problem with a code."""

import json
import logging

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.urls import reverse
from rest_framework.permissions import AllowAny
from rest_framework.test import APIRequestFactory

from inference.errors import NoModelInProductionError
from pneumoniapp.api.problems import coded
from pneumoniapp.api.views import ApiView
from pneumoniapp.errors import REGISTRY, UnexpectedError
from tests.patients.factories import PatientFactory

from .problems import assert_problem

PATIENTS = "/api/v1/patients/"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/patients",
        "/api/v1/nothing/",
        "/api/v2/patients/",
        "/api/v1/patients/1/",
        "/api/v1/patients/not-a-key/",
        "/api/v1/radiographs/%00/",
    ],
)
def test_an_unknown_address_is_a_problem_and_never_a_page(api, path):
    for method in ("get", "post", "delete"):
        assert_problem(getattr(api, method)(path), 404, "not_found")


def test_a_method_that_is_not_there(api):
    response = api.delete(PATIENTS)
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, POST"
    assert_problem(api.options(PATIENTS), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    ["{", "", "[1", '{"identifier": NaN}', "[" * 100_000, "\x00", '"\\ud800"', "{'a': 1}"],
)
def test_a_body_that_is_no_json(api, body):
    response = api.post(PATIENTS, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] in ("malformed_request", "invalid")


@pytest.mark.parametrize("body", [[], "text", 1, None, [{}]])
def test_a_body_that_is_no_object(api, body):
    response = api.post(PATIENTS, json.dumps(body), content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        r'{"\ud800": 1}',
        r'{"identifier": "A1", "sex": "\ud800", "birth_date": "1961-05-04"}',
        '{"identifier": "A1", "identifier": "A2", "sex": "F", "birth_date": "1961-05-04"}',
    ],
)
def test_a_body_with_half_a_character_or_a_name_twice(api, body):
    response = api.post(PATIENTS, body, content_type="application/json")
    assert_problem(response, 400, "malformed_request")


def test_a_body_in_a_charset_that_unpacks(api):
    response = api.post(PATIENTS, b"BZh9", content_type="application/json; charset=bz2_codec")
    assert_problem(response, 400, "malformed_request")


@pytest.mark.parametrize(
    "content_type", ["application/xml", "text/plain", "multipart/form-data; boundary=x", "nonsense"]
)
def test_a_media_type_that_is_not_read(api, content_type):
    response = api.post(PATIENTS, b"<a/>", content_type=content_type)
    assert_problem(response, 415, "unsupported_media_type")


def test_a_body_that_is_too_large(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.post(PATIENTS, {"identifier": "a" * 1000})
    body = assert_problem(response, 413, "request_too_large")
    assert "1000" in body["detail"]


def test_whatever_a_program_accepts_it_gets_json(api):
    for accept in ("text/html", "application/xml", "nonsense", "*/*"):
        response = api.get(PATIENTS, HTTP_ACCEPT=accept)
        assert response["Content-Type"] == "application/json"
    assert_problem(api.get("/api/v1/nothing/", HTTP_ACCEPT="text/html"), 404, "not_found")


def test_the_sentence_follows_the_language_and_the_code_does_not(api_for, doctor, settings):
    english = api_for(doctor).get("/api/v1/nothing/").json()
    assert english["detail"] == "There is nothing here, or it is not yours."
    french = api_for(doctor, language="fr").get("/api/v1/nothing/")
    assert french["Content-Language"] == "fr"
    assert french.json()["code"] == english["code"]


def test_every_doctor_has_a_window_of_their_own(api, other_api, api_for, settings):
    settings.API_THROTTLES = {"user": "2/hour", "anon": "1/hour", "token": "9/min"}
    assert [api.get(PATIENTS).status_code for _ in range(3)] == [200, 200, 429]
    response = api.get(PATIENTS)
    assert_problem(response, 429, "too_many_requests")
    assert 0 < int(response["Retry-After"]) <= 3600
    assert other_api.get(PATIENTS).status_code == 200
    anonymous = api_for(None)
    assert [anonymous.get("/api/problems/").status_code for _ in range(2)] == [200, 429]


def test_a_cache_that_is_down_stops_nobody(api):
    nowhere = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "unix:///nonexistent/redis.sock",
    }
    with override_settings(CACHES={"default": nowhere}):
        assert api.get(PATIENTS).status_code == 200


def test_errors_before_any_route_are_problems_too(api):
    response = api.get(PATIENTS, HTTP_HOST="elsewhere.example")
    assert_problem(response, 400, "malformed_request")


class Broken(ApiView):
    """A route with a fault that nobody foresaw, and one that passes."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []

    def get(self, request):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        raise ZeroDivisionError("secret")

    def post(self, request):
        raise NoModelInProductionError


def test_an_unforeseen_fault_is_logged_and_tells_nothing(caplog, english):
    with caplog.at_level(logging.ERROR, logger="django.request"):
        response = Broken.as_view()(APIRequestFactory().get("/api/v1/broken/")).render()
    body = assert_problem_of_view(response, 500, "unexpected_error")
    assert "secret" not in json.dumps(body)
    assert caplog.records[-1].exc_info[0] is ZeroDivisionError


def test_a_passing_fault_says_when_to_come_back():
    response = Broken.as_view()(APIRequestFactory().post("/api/v1/broken/")).render()
    assert_problem_of_view(response, 503, "no_model_in_production")
    assert int(response["Retry-After"]) > 0


BUSY = [
    OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction"),
    OperationalError(1205, "Lock wait timeout exceeded; try restarting transaction"),
    OperationalError("database is locked"),
]


@pytest.mark.parametrize("error", BUSY, ids=str)
def test_who_has_to_wait_for_the_database_is_told_to_try_again(
    error, api_for, doctor, monkeypatch, caplog
):
    client = api_for(doctor)

    def fail(*args, **kwargs):
        raise error

    key = PatientFactory(owner=doctor).pk
    monkeypatch.setattr("patients.models.PatientQuerySet.visible_to", fail)
    response = client.get(reverse("api:patient-detail", args=[key]))
    assert_problem(response, 503, "database_busy")
    assert int(response["Retry-After"]) > 0
    assert "database_busy" in caplog.text
    page = Client()
    page.force_login(doctor)
    response = page.get(reverse("patients:detail", args=[key]))
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "database_busy" in response.content.decode()


def test_a_database_that_is_gone_is_not_busy():
    assert isinstance(coded(OperationalError(2013, "Lost connection")), UnexpectedError)


def assert_problem_of_view(response, status: int, code: str) -> dict:
    response.json = lambda: json.loads(response.content)
    return assert_problem(response, status, code)


def test_every_code_is_described_in_the_language_of_the_request(api_for):
    program = api_for(None)
    listed = program.get("/api/problems/").json()
    assert [entry["code"] for entry in listed] == sorted(REGISTRY)
    for entry in listed:
        assert 400 <= entry["status"] < 600
        assert entry["detail"]
        assert "%(" not in entry["detail"]
    one = program.get("/api/problems/no_model_in_production/").json()
    assert one in listed
    assert one["retriable"] is True
    assert_problem(program.get("/api/problems/nothing/"), 404, "not_found")
