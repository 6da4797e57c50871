"""What timing the statements costs a request: ``python -m benchmarks.query_sample [--rounds N]``.

The worklist of a doctor with 50 readings, asked in this process on SQLite, in turns with no
request timed, one in ten, and every one, with what the table's writing takes counted in. The
order changes in each round, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from operations.models import StatementTimes  # noqa: E402
from operations.queries import sampling  # noqa: E402
from tests.accounts.factories import DoctorFactory  # noqa: E402
from tests.inference.factories import AnalysisFactory  # noqa: E402
from tests.patients.factories import PatientFactory  # noqa: E402

SHARES = (0, 0.1, 1)
REQUESTS = 20  # of one share in one round


def batch(client: Client, share: float) -> float:
    """Seconds of processor time for ``REQUESTS`` requests and one flush."""
    settings.QUERY_SAMPLE = share
    start = time.process_time()
    for _ in range(REQUESTS):
        client.get("/worklist/")
    sampling.flush()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0)
    try:
        doctor = DoctorFactory()
        patient = PatientFactory(owner=doctor)
        for _ in range(50):
            AnalysisFactory(radiograph__patient=patient)
        client = Client()
        client.force_login(doctor)
        batch(client, 1)
        taken: dict[float, list[float]] = {share: [] for share in SHARES}
        for _ in range(rounds):
            for share in random.sample(SHARES, len(SHARES)):
                taken[share].append(1000 * batch(client, share) / REQUESTS)
        for share, found in taken.items():
            print(f"{share:>4}: {statistics.median(found):.3f} ms a request (median of {rounds})")
        extra = [b - a for a, b in zip(taken[0], taken[1], strict=True)]
        tenth = [b - a for a, b in zip(taken[0], taken[0.1], strict=True)]
        print(f"every one: {statistics.median(extra):+.3f} ms, one in ten:"
              f" {statistics.median(tenth):+.3f} ms (medians of the differences)")  # fmt: skip
        print(f"rows kept: {StatementTimes.objects.count()}")
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
