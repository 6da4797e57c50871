"""What ``make probe`` found in a running installation, one test a finding."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.test_access import world  # noqa: F401

from .walk import address, ask, door, names

pytestmark = pytest.mark.django_db
HUGE = "9" * 400


@pytest.fixture
def admin_client(client):
    client.force_login(AdminFactory(is_superuser=True))
    client.raise_request_exception = False
    return client


def test_a_number_that_no_key_can_be_is_refused_in_a_form(admin_client):
    form = {"name": "x", "permissions": [HUGE]}
    assert admin_client.post(reverse("admin:auth_group_add"), form).status_code in (200, 400)


def test_a_number_that_no_key_can_be_is_refused_in_the_form_of_an_account(admin_client):
    url = reverse("admin:accounts_doctor_change", args=[DoctorFactory().pk])
    assert admin_client.post(url, {"groups": [HUGE]}).status_code in (200, 400)


@pytest.mark.filterwarnings("ignore:DateTimeField:RuntimeWarning")
def test_the_first_and_the_last_day_there_is_are_no_fault(admin_client):
    url = reverse("admin:operations_anomaly_changelist")
    for day in ("0001-01-01", "9999-12-31"):
        for name in ("hour__gte", "hour__lt"):
            answer = admin_client.get(url, {name: day})
            assert answer.status_code in (200, 302, 400), (name, day)


def test_a_number_that_no_key_can_be_is_refused_in_an_address(admin_client):
    answer = admin_client.get(reverse("admin:auth_group_change", args=[HUGE]))
    assert answer.status_code in (302, 400, 404)


def test_a_number_that_no_key_can_be_is_refused_among_the_selected(admin_client):
    form = {"action": "delete_selected", "_selected_action": [HUGE], "post": "yes"}
    answer = admin_client.post(reverse("admin:auth_group_changelist"), form)
    assert answer.status_code in (302, 400)


@pytest.mark.parametrize("name", names())
def test_no_verb_is_answered_that_nothing_is_written_for(name, world):  # noqa: F811
    client = door(name, world.accounts["superuser" if name.startswith("admin:") else "owner"])
    for verb in ("TRACE", "CONNECT", "PROPFIND"):
        answer = ask(client, verb, address(name, world))
        assert answer.status_code == (404 if name == "api:not-found" else 405), verb
        assert "Content-Security-Policy" in answer.headers
