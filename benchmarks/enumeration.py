"""Whether the time of an answer tells what its words do not: ``python -m benchmarks.enumeration``.

Each question is asked about something that exists and something that doesn't, in turns, in
this process, with the hashing of production and no limits of attempts. Beside the medians
stand their ratio, and how often somebody who sees two answers, one of each, and calls the
slower one "exists" is right: 50 % is a coin. Behind each, in brackets, is what chance alone
makes of it: 95 % of 400 times that the same answers were shuffled; ``*`` marks what lies
outside. Mails are kept in memory; both kinds of answer send one where either does, so a mail
server's time falls on both.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import time
import uuid
from collections.abc import Callable
from functools import partial

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")

import django
from django.conf import global_settings

django.setup()

from django.conf import settings  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django.urls import reverse  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from accounts.tokens.services import token_create  # noqa: E402
from tests.accounts.factories import PASSWORD, DoctorFactory, rpps  # noqa: E402
from tests.inference.factories import AnalysisFactory  # noqa: E402
from tests.patients.factories import PatientFactory  # noqa: E402

numbers = itertools.count(80_000_000)


def questions() -> dict[str, tuple[Callable, Callable]]:
    """What is asked: about what exists, and about what doesn't."""
    doctor, other = DoctorFactory(), DoctorFactory()
    theirs = PatientFactory(owner=other, identifier="THEIRS")
    reading = AnalysisFactory(radiograph__patient=theirs)
    radiograph = reading.radiograph
    for number in range(200):
        PatientFactory(owner=doctor, identifier=f"MINE-{number}")
    page = Client()
    page.post(reverse("account_login"), {"login": doctor.email, "password": PASSWORD})
    page.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    program = APIClient()
    _row, text = token_create(owner=doctor, name="Benchmark", scopes=["read"])
    program.credentials(HTTP_AUTHORIZATION=f"Token {text}")

    def nobody() -> str:
        return f"{uuid.uuid4().hex[:12]}@example.org"

    def login(email: str):
        body = {"login": email, "password": "not the password"}
        return Client().post(reverse("account_login"), body)

    def token(email: str):
        body = {"email": email, "password": "not the password"}
        return APIClient().post(reverse("api:token"), body, format="json")

    def reset(email: str):
        return Client().post(reverse("account_reset_password"), {"email": email})

    def signup(email: str):
        body = {"email": email, "first_name": "A", "last_name": "B", "password1": PASSWORD,
                "password2": PASSWORD, "registration_number": rpps(next(numbers))}  # fmt: skip
        return Client().post(reverse("account_signup"), body)

    def search(text: str):
        return program.post(reverse("api:patient-search"), {"identifier": text}, format="json")

    def address(email: str):
        return page.post(reverse("account_email"), {"action_add": "", "email": email})

    def look_up(client, name: str, key):
        return client.get(reverse(name, args=[key]))

    found = {
        "log-in": (lambda: login(doctor.email), lambda: login(nobody())),
        "token of the API": (lambda: token(doctor.email), lambda: token(nobody())),
        "password reset": (lambda: reset(doctor.email), lambda: reset(nobody())),
        "sign-up": (lambda: signup(doctor.email), lambda: signup(nobody())),
        "change of address": (lambda: address(other.email), lambda: address(nobody())),
        "another's patient, searched": (
            lambda: search("THEIRS"),
            lambda: search(uuid.uuid4().hex[:6].upper()),
        ),
    }
    for name, client, key in (
        ("patients:detail", page, theirs.pk),
        ("inference:reading", page, radiograph.pk),
        ("radiology:preview", page, radiograph.pk),
        ("inference:map", page, reading.pk),
        ("api:patient-detail", program, theirs.pk),
        ("api:radiograph-detail", program, radiograph.pk),
        ("api:analysis-detail", program, reading.pk),
    ):
        found[f"another's {name}"] = (
            partial(look_up, client, name, key),
            lambda client=client, name=name: look_up(client, name, uuid.uuid4()),
        )
    return found


def seconds(ask: Callable) -> float:
    """How long the answer took; what it wrote is taken back."""
    cache.clear()
    with transaction.atomic():
        start = time.perf_counter()
        ask()
        taken = time.perf_counter() - start
        transaction.set_rollback(True)
    return taken


def apart(exists: list[float], not_there: list[float]) -> tuple[float, float]:
    """The ratio of the medians; of all pairs the share in which the one that exists is slower."""
    pairs = list(itertools.product(exists, not_there))
    ratio = statistics.median(exists) / statistics.median(not_there)
    return ratio, sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def by_chance(exists: list[float], not_there: list[float]) -> list[tuple[float, float]]:
    """Between what :func:`apart`'s two figures lie in 95 % when who is who is drawn by lot."""
    drawn, lots, rounds = [*exists, *not_there], random.Random(1), []
    for _ in range(400):
        lots.shuffle(drawn)
        rounds.append(apart(drawn[: len(exists)], drawn[len(exists) :]))
    return [(sorted(figures)[10], sorted(figures)[-11]) for figures in zip(*rounds, strict=True)]


def line(exists: list[float], not_there: list[float]) -> str:
    words = [f"{1000 * statistics.median(times):7.1f} ms" for times in (exists, not_there)]
    figures = zip(apart(exists, not_there), by_chance(exists, not_there), strict=True)
    for (figure, (low, high)), form in zip(figures, (".3f", ".0%"), strict=True):
        mark = " " if low <= figure <= high else "*"
        words.append(f"{figure:6{form}}{mark} ({low:{form}} to {high:{form}})")
    return "  ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="", help="the questions with this in their name")
    options = parser.parse_args()
    rounds = options.rounds
    setup_test_environment()
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
    settings.ACCOUNT_RATE_LIMITS = False
    name = connection.creation.create_test_db(verbosity=0)
    try:
        print(f"{'':32}    exists   not there   ratio (by chance)         told apart (by chance)")
        for what, asked in questions().items():
            if options.only not in what:
                continue
            for ask in asked:
                seconds(ask)
            times: tuple[list[float], list[float]] = ([], [])
            for number in range(rounds):
                for which in (0, 1) if number % 2 else (1, 0):
                    times[which].append(seconds(asked[which]))
            print(f"{what:32}{line(*times)}", flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
