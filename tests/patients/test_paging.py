"""Pages by key: complete, in order, and without a value of a row in the address."""

import uuid

import pytest

from patients.models import Patient
from pneumoniapp.paging import keyset_page
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def patients(doctor):
    """Seven patients, several born on the same day."""
    days = ["1950-01-01", "1960-01-01", "1960-01-01", "1960-01-01", "1970-01-01", "1980-01-01"]
    return PatientFactory.create_batch(1, owner=doctor, birth_date="1960-01-01") + [
        PatientFactory(owner=doctor, birth_date=day) for day in days
    ]


def walk(order: str, way: str, size: int = 2) -> list[list]:
    """All pages in one direction, from the first or from what ``after`` leads to last."""
    pages, params = [], {}
    while True:
        page = keyset_page(Patient.objects.all(), order=order, params=params, size=size)
        pages.append([row.pk for row in page])
        key = getattr(page, way)
        if key is None or len(pages) > 20:
            return pages
        params = {way: str(key)}


@pytest.mark.parametrize("order", ["birth_date", "-birth_date", "identifier", "-created_at"])
def test_every_row_comes_once_in_order(patients, order):
    tie = "-pk" if order.startswith("-") else "pk"
    expected = list(Patient.objects.order_by(order, tie).values_list("pk", flat=True))
    pages = walk(order, "after")
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert [pk for page in pages for pk in page] == expected


@pytest.mark.parametrize("order", ["birth_date", "-birth_date"])
def test_back_leads_through_the_same_rows(patients, order):
    forwards = walk(order, "after")
    page = keyset_page(
        Patient.objects.all(), order=order, params={"before": str(forwards[-1][0])}, size=2
    )
    assert [row.pk for row in page] == forwards[-2]
    assert page.after == forwards[-2][-1]
    assert page.before == forwards[-2][0]
    first = keyset_page(
        Patient.objects.all(), order=order, params={"before": str(forwards[1][0])}, size=2
    )
    assert [row.pk for row in first] == forwards[0]
    assert first.before is None


@pytest.mark.parametrize("value", ["", "x", str(uuid.UUID(int=5)), "' OR 1=1"])
def test_an_unknown_key_gives_the_first_page(patients, value):
    page = keyset_page(Patient.objects.all(), order="pk", params={"after": value}, size=2)
    assert page.before is None
    assert len(page) == 2


def test_anothers_row_gives_no_hint_of_where_it_stands(patients, doctor, other_doctor):
    theirs = PatientFactory(owner=other_doctor, birth_date="1965-01-01")
    visible = Patient.objects.visible_to(doctor)
    page = keyset_page(visible, order="birth_date", params={"after": str(theirs.pk)}, size=3)
    first = keyset_page(visible, order="birth_date", params={}, size=3)
    assert page == first


def test_a_page_takes_three_queries_however_many_rows(patients, django_assert_num_queries):
    anchor = str(patients[0].pk)
    with django_assert_num_queries(3):
        keyset_page(Patient.objects.all(), order="birth_date", params={"after": anchor}, size=2)


def test_the_last_page_and_an_empty_list_lead_nowhere(patients):
    page = keyset_page(Patient.objects.all(), order="pk", params={}, size=7)
    assert (page.after, page.before) == (None, None)
    empty = keyset_page(Patient.objects.none(), order="pk", params={})
    assert (list(empty), empty.after, empty.before) == ([], None, None)
