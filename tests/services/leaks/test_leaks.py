"""No patient data where it does not belong: planted values, a whole day, and a look everywhere.

``make run``'s own script starts the installation, once as it comes (SQLite, embedded broker) and
once with MariaDB and Redis. People do what people do, with values that occur nowhere else; then
every place where something was left is searched, in every spelling and packing.
"""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from django.conf import global_settings

from tests.services.conftest import connected_to

from . import places, planted
from .ground import Ground, Overheard
from .journey import Journey
from .markers import Marker, found_in

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

PATIENT = {"identifier", "birth date"}
DOCTOR = {"doctor's name", "doctor's e-mail", "doctor's number"}
LINKS = {"link confirm-email", "link password/reset/key"}
ADDRESSES = {"doctor's e-mail", "colleague's e-mail", "stranger's e-mail"}

# Where which value belongs. What is not here is a leak, and what is here must be there: each
# line is found to be so by the same search, which shows that it sees.
ALLOWED = [
    # What a person sees who may see it, their own mistakes included.
    (r"page: .*", PATIENT | DOCTOR | ADDRESSES | {"comment", "identifier refused", "typed query"}),
    (r"page: \d+ POST /readings/new/", {"file name", "folder name"}),
    (r"page: 201 POST /account/tokens/", {"token of the page"}),
    (r"page: 200 POST /api/v1/auth/token/", {"token of the API"}),
    # The names of fields that a program sent are told to it; what was in them is not.
    (r"error: 400 POST /api/v1/radiographs/", {"typed header"}),
    # What somebody who may do so takes away.
    (
        r"export: 200 POST /patients/[^/]+/export/",
        PATIENT | {"comment", "doctor's name", "colleague's e-mail", "stranger's e-mail"},
    ),
    (r"export: 200 POST /worklist/export/", {"identifier"}),
    (r"export: 200 GET /admin/operations/accessevent/export.csv", {"doctor's e-mail"}),
    # The link of a mail works once; nothing but the mail has it.
    (r"address: \w+ /accounts/confirm-email/.*", {"link confirm-email"}),
    (r"address: GET /accounts/password/reset/key/.*", {"link password/reset/key"}),
    (rf"mail: {planted.EMAIL}", {"doctor's e-mail", *LINKS}),
    (rf"mail: {planted.COLLEAGUE}", {"colleague's e-mail"}),
    (rf"mail: {planted.STRANGER}", {"stranger's e-mail"}),
    # The rows themselves.
    (r"table: patients_patient", PATIENT),
    (r"table: inference_review", {"comment"}),
    (r"table: patients_erasure", {"comment"}),
    (r"table: accounts_doctor", DOCTOR | {"colleague's e-mail"}),
    (r"table: account_emailaddress", {"doctor's e-mail", "colleague's e-mail"}),
    (r"table: radiology_secondreading", {"colleague's e-mail", "stranger's e-mail"}),
    (r"table: django_session", {"session keys", "doctor's e-mail"}),
    (r"table: usersessions_usersession", {"session keys"}),
]
# The files of SQLite are these tables again; the complaint is the test's own, in a trigger.
DATABASE = set().union(*(names for where, names in ALLOWED if where.startswith("table: ")))
SQLITE = (r"database: var/db\.sqlite3.*", DATABASE | {"database's complaint"})

# Version 7 UUIDs of a patient and of a radiograph name nobody, and are seen everywhere.
SEEN = ("address", "links", "page", "log", "redis", "file name", "table", "export", "headers")


@pytest.fixture(params=["sqlite", "mariadb"])
def ground(request, tmp_path_factory, django_db_blocker, settings):
    folder = tmp_path_factory.mktemp("leaks")
    if request.param == "sqlite":
        made = Ground(folder)
    else:
        mariadb = request.getfixturevalue("mariadb_server")
        redis = request.getfixturevalue("redis_server")
        mariadb._client("CREATE OR REPLACE DATABASE leaks CHARACTER SET utf8mb4")
        url = mariadb.url.replace("/pneumoniapp", "/leaks")
        made = Ground(folder, database_url=url, redis_url=redis.url.rpartition("/")[0])
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # those that it knows
    made.start()
    try:
        with django_db_blocker.unblock(), connected_to(made):
            yield made
    finally:
        made.stop()


class Search:
    """What was found where, and whether it belongs there."""

    def __init__(self, markers: list[Marker], keys: Marker, allowed: list) -> None:
        self.markers, self.keys, self.allowed = markers, keys, allowed
        self.leaks, self.sizes, self.counts = Counter(), Counter(), Counter()
        self.belongs: set[tuple[str, str]] = set()
        self.seen: set[str] = set()

    def look(self, place: places.Place) -> None:
        kind = place.name.partition(":")[0]
        self.sizes[kind] += len(place.data)
        self.counts[kind] += 1
        found = found_in(place.data, [*self.markers, self.keys])
        if self.keys.name in found:
            found.remove(self.keys.name)
            self.seen.add(kind)
        for where, names in self.allowed:
            if re.fullmatch(where, place.name):
                self.belongs |= {(where, name) for name in found & names}
                found -= names
        for name in found:
            self.leaks[f"{name} in {place.name}"] += 1

    def missing(self) -> list[str]:
        """What should have been found and was not."""
        wanted = {(where, name) for where, names in self.allowed for name in names}
        return [f"{name} in {where}" for where, name in sorted(wanted - self.belongs)]

    def report(self) -> str:
        lines = [f"{k:10} {self.counts[k]:6} {n:12,} bytes" for k, n in self.sizes.items()]
        return "\n".join(["", *lines])


@pytest.mark.parametrize("kind", ["log", "redis", "mail", "error", "headers", "file", "table"])
def test_a_seeded_leak_is_told(kind):
    """The search itself: a value where it does not belong, one where it does, and one missing."""
    markers = list(planted.markers().values())
    allowed = [(r"table: patients", {"identifier", "birth date"})]
    search = Search(markers, Marker("keys", "no such key"), allowed)
    search.look(places.Place(f"{kind}: x", json.dumps([planted.IDENTIFIER]).encode()))
    search.look(places.Place("table: patients", planted.IDENTIFIER.encode("latin-1")))
    assert dict(search.leaks) == {f"identifier in {kind}: x": 1}
    assert search.missing() == ["birth date in table: patients"]
    assert not search.seen


def test_nothing_leaves_the_places_where_it_belongs(ground, capsys):
    overheard = Overheard(ground)
    overheard.start()
    assert overheard.ready.wait(10)
    journey = Journey(ground)
    journey.walk()

    keys = Marker("keys", journey.patient, journey.radiograph, journey.analysis)
    markers = list((planted.markers() | journey.secrets).values())
    is_sqlite = (ground.var / "db.sqlite3").exists()
    search = Search(markers, keys, [*ALLOWED, SQLITE] if is_sqlite else ALLOWED)
    for source in (
        places.answers(journey),
        places.logs(ground),
        places.mails(ground),
        places.files(ground),
        places.brokers(ground, overheard.heard),
        places.tables(),
    ):
        for place in source:
            search.look(place)
    with capsys.disabled():
        print(search.report())
    assert not search.leaks, "\n".join(sorted(search.leaks))
    assert not search.missing(), "\n".join(search.missing())
    assert search.seen >= set(SEEN), "it does not see what is there"
