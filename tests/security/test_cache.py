"""What a process keeps in its memory for others names no patient: every address, then a look.

``tests/services/leaks`` looks into Redis; this is the cache that an installation without has.
"""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.cache import cache
from django.core.cache.backends import locmem
from django.test import Client
from django.urls import reverse

from tests.access_routes import API, FILTERS, PAGES
from tests.services.leaks.markers import Marker, date_texts, found_in
from tests.test_access import ask, world  # noqa: F401

pytestmark = pytest.mark.django_db
IDENTIFIER, BORN = "Zqdossier-4711", dt.date(1937, 10, 29)
MARKERS = [
    Marker("identifier", IDENTIFIER),
    Marker("birth date", *date_texts(BORN)),
    Marker("name", "Zqpraticienne"),
    Marker("e-mail", "zqmedecin4711@example.org"),
]


def held() -> bytes:
    """Keys and values of every cache in the memory of this process."""
    found = b""
    for name, entries in locmem._caches.items():
        for key, value in entries.items():
            found += b"\n".join([name.encode(), key.encode(), value, b""])
    return found


def test_the_look_sees_what_is_there():
    cache.set("a", {"b": ["Zqdossier-4711"]})
    assert found_in(held(), MARKERS) == {"identifier"}
    cache.clear()


def test_no_address_leaves_anything_of_a_patient_in_the_cache(world):  # noqa: F811
    cache.clear()
    doctor = world.accounts["owner"]
    doctor.last_name, doctor.email = "Zqpraticienne", "zqmedecin4711@example.org"
    doctor.save()
    world.patient.identifier, world.patient.birth_date = IDENTIFIER, BORN
    world.patient.save()
    client = Client()
    client.force_login(doctor)
    client.post(reverse("patients:search"), {"q": IDENTIFIER})
    client.post(reverse("patients:list"), {"q": IDENTIFIER[:6]})
    client.post("/accounts/password/reset/", {"email": doctor.email})
    Client().post("/accounts/login/", {"login": doctor.email, "password": "wrong"})
    asked = 0
    for route in PAGES + API + FILTERS:
        if route.answers.get("owner") == 200 and route.method == "GET":
            for role in ("owner", "reader", "colleague"):
                ask(route, world, role)
                asked += 1
    assert asked > 100
    found = held()
    assert str(world.patient.pk).encode() in found, "keys are there: it looks in the right place"
    assert found_in(found, MARKERS) == set()
