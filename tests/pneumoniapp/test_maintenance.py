"""``MAINTENANCE=1``: who is turned away, how, and who is not."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _maintenance(settings):
    settings.MAINTENANCE = True


@pytest.mark.parametrize(("language", "words"), [("en", "Back soon"), ("fr", "<h1>")])
def test_a_page_says_to_come_back(client, language, words):
    response = client.get("/", headers={"accept-language": language})
    assert response.status_code == 503
    assert response["Retry-After"] == "300"
    assert words in response.content.decode()
    assert f'lang="{language}"' in response.content.decode()


def test_doctors_are_turned_away_and_administrators_are_not(doctor_client, admin_client):
    assert doctor_client.get("/radiographs/").status_code == 503
    assert doctor_client.post("/readings/new/").status_code == 503
    assert admin_client.get("/account/").status_code == 200
    assert admin_client.get("/admin/").status_code == 200


def test_a_program_gets_a_problem(client):
    response = client.get("/api/v1/patients/")
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "maintenance"
    assert response["Retry-After"] == "300"


def test_machines_that_watch_and_the_sign_in_are_answered(client):
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json()["status"] in ("ready", "not_ready")
    assert client.get("/accounts/login/").status_code == 200


def test_without_the_setting_all_is_as_ever(client, settings):
    settings.MAINTENANCE = False
    assert client.get("/").status_code == 200
