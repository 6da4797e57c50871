"""Whether something exists that is not ours to know takes no more or less time to answer.

Not by the clock: here each statement, each hash and each mail has its price, and what the
answers cost must be equal to the cent. ``python -m benchmarks.enumeration`` takes the time.
"""

from __future__ import annotations

import contextlib

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from accounts import evenly
from benchmarks.enumeration import questions

pytestmark = pytest.mark.django_db
STATEMENT, MAIL, HASH = 0.000_1, 0.002, 0.2
ASKED = (
    "log-in",
    "token of the API",
    "password reset",
    "sign-up",
    "change of address",
    "another's patient, searched",
    "another's patients:detail",
    "another's inference:reading",
    "another's radiology:preview",
    "another's inference:map",
    "another's api:patient-detail",
    "another's api:radiograph-detail",
    "another's api:analysis-detail",
)


class Prices:
    """A clock that only what is bought moves on."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        for owner, name, price in (
            (MD5PasswordHasher, "encode", HASH),
            (EmailBackend, "send_messages", MAIL),
        ):
            monkeypatch.setattr(owner, name, self.priced(getattr(owner, name), price))
        monkeypatch.setattr(evenly, "time", self)

    def priced(self, bought, price: float):
        def buy(*args, **kwargs):
            self.now += price
            return bought(*args, **kwargs)

        return buy

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def of(self, ask) -> float:
        cache.clear()
        start = self.now
        with connection.execute_wrapper(self.statement):
            ask()
        return self.now - start

    def statement(self, execute, sql, params, many, context):
        self.now += STATEMENT
        return execute(sql, params, many, context)


@pytest.fixture
def prices(monkeypatch, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    return Prices(monkeypatch)


def test_every_question_of_the_benchmark_is_asked_here():
    assert set(questions()) == set(ASKED)


@pytest.mark.parametrize("what", ASKED)
def test_what_exists_costs_as_much_as_what_does_not(what, prices):
    exists, not_there = questions()[what]
    for ask in (exists, not_there):
        ask()  # What is loaded once.
    assert prices.of(exists) == pytest.approx(prices.of(not_there), abs=STATEMENT / 2)


def test_a_difference_would_be_found(prices, monkeypatch):
    monkeypatch.setattr(evenly, "STEP_SECONDS", 1e-9)
    exists, not_there = questions()["sign-up"]
    assert prices.of(exists) != pytest.approx(prices.of(not_there), abs=STATEMENT / 2)


def test_the_time_is_a_whole_multiple_also_after_an_error(prices):
    for taken in (0.001, 0.0499, 0.0501, 0.12):
        start = prices.now
        with contextlib.suppress(ZeroDivisionError), evenly.evenly():
            prices.now += taken
            raise ZeroDivisionError
        steps = (prices.now - start) / evenly.STEP_SECONDS
        assert steps == pytest.approx(round(steps))
        assert prices.now - start >= taken
