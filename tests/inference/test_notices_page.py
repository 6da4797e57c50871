"""What pages tell a doctor unasked: how many wait, and once that a batch was read."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.services import doctor_update
from inference import notices_page, views_notices
from inference.models import Analysis
from inference.notices_page import COOKIE, QUIET, Seen
from inference.services import analysis_request, review_create
from inference.templatetags import notices as templatetag
from tests.inference.factories import AnalysisFactory

pytestmark = pytest.mark.django_db

HOME = "/patients/"


@pytest.fixture
def mine(doctor):
    """``mine(failed=True)``: an analysis of ``doctor``'s, finished a moment ago."""

    def make(**fields):
        if not {"queued", "running"} & fields.keys():
            fields = {"finished_at": timezone.now() - QUIET} | fields
        return AnalysisFactory(radiograph__patient__owner=doctor, **fields)

    return make


@pytest.fixture
def ask(client_for, doctor):
    """``ask(page="/patients/", shown=0)``: what a browser of ``doctor`` hears, in words.

    It was told a minute ago what there was to tell.
    """
    client = client_for(doctor)
    told = Seen(until=timezone.now() - timedelta(minutes=1))
    client.cookies[COOKIE] = told.cookie(doctor)

    def question(page=HOME, shown=0):
        answer = client.get(
            f"/notices/?shown={shown}",
            headers={"hx-request": "true", "hx-current-url": f"http://testserver{page}"},
        )
        assert answer.status_code in (200, 204)
        return " ".join(answer.text.split()) if answer.status_code == 200 else ""

    question.client = client
    return question


def finish(analysis, **fields):
    """The worker is done with ``analysis``."""
    done = {
        "status": "done",
        "label": "normal",
        "certainty": "high",
        "p_normal": 0.9,
        "p_lung_opacity": 0.05,
        "p_not_normal": 0.05,
        "finished_at": timezone.now() - QUIET,
    }
    Analysis.objects.filter(pk=analysis.pk).update(**done | fields)


def test_a_batch_is_told_of_once_and_when_nothing_of_it_is_awaited(ask, mine):
    first, second = mine(queued=True), mine(queued=True)
    assert ask() == ""
    finish(first)
    assert ask() == ""
    finish(second, certainty="low")
    text = ask()
    assert "2 radiographs that you sent have been read." in text
    assert "1 needs your decision: the model is not certain." in text
    assert 'href="/worklist/"' in text
    assert "data-toast-close" in text
    assert ask(shown=1) == ""


def test_what_was_read_before_the_sign_in_is_no_news(ask, mine):
    mine()
    del ask.client.cookies[COOKIE]
    assert ask() == ""
    assert ask() == ""


def test_a_batch_that_goes_on_is_not_over(ask, mine):
    analysis = mine(queued=True)
    ask()
    finish(analysis, finished_at=timezone.now())
    assert ask() == ""
    finish(analysis)
    assert "1 radiograph that you sent has been read." in ask()


def test_failures_are_told_of_and_count_as_waiting(ask, mine):
    analysis = mine(queued=True)
    ask()
    Analysis.objects.filter(pk=analysis.pk).update(
        status="failed", error_code="undecodable", finished_at=timezone.now() - QUIET
    )
    text = ask()
    assert "1 could not be read." in text
    assert "has been read" not in text
    assert "1 reading waits: failed or uncertain." in text


@pytest.mark.parametrize("address", ["http://[", "http://[::1", "\x00", "//", "javascript:x"])
def test_what_is_no_address_of_a_page_is_none(client_for, doctor, address):
    headers = {"hx-request": "true", "hx-current-url": address}
    assert client_for(doctor).get("/notices/?shown=0", headers=headers).status_code in (200, 204)


def test_the_number_follows_what_is_judged(ask, mine, doctor):
    mine(failed=True)
    uncertain, certain = mine(uncertain=True), mine(certain=True)
    assert "2 readings wait" in ask()
    assert ask(shown=2) == ""
    review_create(analysis=uncertain, doctor=doctor, verdict="approved", label="lung_opacity")
    review_create(analysis=certain, doctor=doctor, verdict="approved")
    assert "1 reading waits" in ask(shown=2)
    analysis_request(radiograph=uncertain.radiograph, requested_by=doctor)
    assert ask(shown=1) == ""


def test_the_page_of_the_reading_is_not_told_of_it(ask, mine):
    analysis = mine(queued=True)
    page = f"/radiographs/{analysis.radiograph_id}/"
    ask(page)
    finish(analysis)
    assert ask(page) == ""
    assert ask() == ""


def test_the_worklist_has_news_of_its_own(ask, mine):
    analysis = mine(queued=True)
    ask()
    finish(analysis)
    assert ask("/worklist/?status=done") == ""
    assert ask() == ""


def test_who_reads_first_hears_nothing_of_certainty(ask, mine, doctor):
    doctor_update(doctor=doctor, by=doctor, read_first=True)
    analysis = mine(queued=True)
    ask()
    finish(analysis, certainty="low")
    text = ask()
    assert "1 radiograph that you sent has been read." in text
    assert "decision" not in text
    assert "waits" not in text
    mine(failed=True)
    assert "1 reading waits" in ask()


def test_nothing_of_anybody_else_is_told(ask, mine, other_doctor):
    ask()
    AnalysisFactory(
        radiograph__patient__owner=other_doctor,
        failed=True,
        finished_at=timezone.now() - QUIET,
    )
    assert ask() == ""


def test_the_pages_show_the_number_without_a_query(ask, mine, client_for, other_doctor):
    mine(failed=True)
    ask()
    page = ask.client.get("/statistics/").text
    assert "1 reading waits: failed or uncertain." in page
    other = client_for(other_doctor)
    other.cookies[COOKIE] = ask.client.cookies[COOKIE].value
    assert "reading waits" not in other.get("/statistics/").text


@pytest.mark.parametrize(
    "value", ["", "x", "1-2", "{pk}-1-99999999999999999", "{pk}-1-9999999999999999", "{pk}-²-1"]
)
def test_a_cookie_that_is_none_of_ours_does_no_harm(ask, mine, doctor, value):
    mine(failed=True)
    ask.client.cookies[COOKIE] = value.format(pk=doctor.pk)
    assert ask.client.get("/statistics/").status_code == 200
    assert "1 reading waits" in ask()


def test_large_numbers_are_counted_no_further(ask, mine, monkeypatch):
    monkeypatch.setattr(notices_page, "NEWS_LIMIT", 1)
    monkeypatch.setattr(views_notices, "NEWS_LIMIT", 1)
    monkeypatch.setattr(notices_page, "WAITING_LIMIT", 1)
    monkeypatch.setattr(templatetag, "WAITING_LIMIT", 1)
    for _number in range(3):
        mine(uncertain=True)
    text = ask()
    assert "More than 1 radiograph that you sent has been read." in text
    assert "More than 1 reading waits" in text
    assert ask(shown=2) == ""


@pytest.mark.parametrize("rows", [0, 5])
def test_asking_costs_one_query(ask, mine, rows, django_assert_num_queries):
    ask()
    for _row in range(rows):
        mine(failed=True)
    # The session, the account, and what there is to tell.
    with django_assert_num_queries(3):
        ask()
