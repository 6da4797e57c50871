"""Leaving a practice while requests are under way, with a connection for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse

from accounts.practices.errors import LastOwnerError, NotOwnerError
from accounts.practices.models import PracticeMembership
from accounts.practices.services import member_end, member_role_set
from inference.models import Review
from operations.models import AccessEvent
from patients.models import Patient
from tests.accounts.factories import DoctorFactory, left, practice_of, token_for
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


@pytest.fixture
def leaver(site):
    return DoctorFactory()


@pytest.fixture
def analysis(site, leaver):
    owner = DoctorFactory()
    practice = practice_of(owner=owner, doctor=leaver)
    patient = PatientFactory(owner=owner, practice=practice)
    return AnalysisFactory(radiograph__patient=patient)


def alone(work: Callable) -> Callable:
    """``work`` with a connection of its own, closed at its end."""

    def run(*args):
        try:
            return work(*args)
        finally:
            connections.close_all()

    return run


def written_by(doctor) -> list:
    """All that the doctor wrote, by what stands in the tables."""
    events = AccessEvent.objects.filter(actor=doctor, action__in=["create", "update"])
    rows = events.exclude(reason="membership_ended").exclude(object_type="accounts.session")
    reviews = Review.objects.filter(doctor=doctor).order_by("pk")
    patients = Patient.objects.order_by("pk").values_list("birth_date", "updated_at")
    return [
        sorted(rows.values_list("pk", flat=True)),
        list(reviews.values_list("pk", flat=True)),
        list(patients),
    ]


def corrected(patient, number: int = 0) -> dict:
    born = f"19{50 + number % 40}-01-01"
    values = {"identifier": patient.identifier, "sex": "F", "birth_date": born}
    return values | {"training_consent": "unknown"}


def askers(leaver, analysis) -> list[Callable[[int], int]]:
    """What the doctor does over and over: each gives the status of the answer."""
    patient, radiograph = analysis.radiograph.patient, analysis.radiograph_id
    page, api = Client(), Client(headers={"authorization": f"Token {token_for(leaver)}"})
    page.force_login(leaver)
    detail, edit = (reverse(f"patients:{name}", args=[patient.pk]) for name in ("detail", "update"))
    review = reverse("inference:review", args=[analysis.pk])
    return [
        lambda number: page.get(detail).status_code,
        lambda number: page.post(edit, corrected(patient, number)).status_code,
        lambda number: page.post(review, {"verdict": "approved", "label": ""}).status_code,
        lambda number: api.get(reverse("api:radiograph-detail", args=[radiograph])).status_code,
    ]


def test_after_the_leave_nothing_is_answered_and_nothing_written(leaver, analysis):
    over = threading.Event()

    @alone
    def work(ask) -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []
        while not over.is_set():
            begun = time.monotonic()
            seen.append((begun, ask(len(seen))))
        return seen

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(work, ask) for ask in askers(leaver, analysis)]
        try:
            time.sleep(1.5)
            before = written_by(leaver)
            left(leaver)
            ended, after = time.monotonic(), written_by(leaver)
            time.sleep(1.5)
        finally:
            over.set()
        answers = [one.result() for one in running]
    assert before[0], "something was written before"
    assert written_by(leaver) == after
    for seen in answers:
        assert {status for begun, status in seen if begun > ended} == {404}
        assert {status for begun, status in seen[:2]} <= {200, 302}


def test_a_write_that_waited_for_a_lock_does_not_land_after_the_leave(leaver, analysis):
    """Somebody else holds the row; the write has passed the access rule and waits; the doctor
    leaves. Whichever of the two comes first: after the leave there is nothing new."""
    patient = analysis.radiograph.patient
    client = Client()
    client.force_login(leaver)
    holds, lets_go = threading.Event(), threading.Event()
    at_the_leave = []

    @alone
    def hold() -> None:
        with transaction.atomic():
            Patient.objects.select_for_update().get(pk=patient.pk)
            holds.set()
            assert lets_go.wait(30)

    @alone
    def write() -> int:
        assert holds.wait(30)
        url = reverse("patients:update", args=[patient.pk])
        return client.post(url, corrected(patient)).status_code

    @alone
    def leave() -> None:
        assert holds.wait(30)
        time.sleep(1)
        left(leaver)
        at_the_leave.append(written_by(leaver))

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work) for work in (hold, write, leave)]
        time.sleep(2.5)
        lets_go.set()
        for one in running:
            one.result()
    assert written_by(leaver) == at_the_leave[0]


def owners(practice) -> int:
    rows = PracticeMembership.objects.filter(practice=practice, role="owner", is_open=True)
    return rows.count()


@pytest.mark.parametrize("how", ["both leave", "one leaves, one steps down", "each the other"])
def test_two_owners_who_go_at_once_leave_one(how, site):
    for _round in range(5):
        two_go(how)


def two_go(how: str) -> None:
    first, second, stays = (DoctorFactory() for _number in range(3))
    practice = practice_of(owner=first, doctor=stays)
    PracticeMembership.objects.create(practice=practice, doctor=second, role="owner")
    second.practice, second.practice_role = practice, "owner"
    second.save()
    mine, theirs = (one.memberships.get(is_open=True) for one in (first, second))
    together = threading.Barrier(2)

    @alone
    def go(work) -> bool:
        together.wait(20)
        try:
            work()
        except (LastOwnerError, NotOwnerError):
            return False
        return True

    works = {
        "both leave": [
            lambda: member_end(membership=mine, by=first),
            lambda: member_end(membership=theirs, by=second),
        ],
        "one leaves, one steps down": [
            lambda: member_end(membership=mine, by=first),
            lambda: member_role_set(membership=theirs, role="reader", by=second),
        ],
        "each the other": [
            lambda: member_end(membership=theirs, by=first),
            lambda: member_end(membership=mine, by=second),
        ],
    }[how]
    with ThreadPoolExecutor(2) as pool:
        went = list(pool.map(go, works))
    assert sorted(went) == [False, True]
    assert owners(practice) == 1
    practice.refresh_from_db()
    assert practice.closed_at is None
