"""The worklist: what is in it, in which order, and what may be done from there."""

from __future__ import annotations

import datetime as dt
import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from inference.models import Analysis, Review
from inference.services import analysis_request, review_create
from operations.models import AccessEvent
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

URL = reverse("inference:worklist")
NEWS = reverse("inference:worklist_news")


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor)


@pytest.fixture
def made(patient):
    """``made(p=0.9, certain=True)``: an analysis of a new radiograph of the doctor's patient."""

    def make(p: float = 0.85, **fields) -> Analysis:
        if not {"failed", "queued", "running"} & set(fields):
            fields["p_lung_opacity"] = p
        return AnalysisFactory(radiograph__patient=patient, **fields)

    return make


def approve_url(analysis):
    return reverse("inference:worklist_approve", args=[analysis.pk])


def shown(client, **query) -> list:
    return [row.pk for row in client.get(URL, query).context["page"]]


# --- What waits, and in which order -------------------------------------------------------


def test_the_most_urgent_come_first_then_the_probable_then_the_old(doctor_client, made):
    rows = {
        "queued": made(queued=True),
        "running": made(running=True),
        "certain 20": made(0.2, certain=True),
        "certain 85, first": made(0.852, certain=True),
        "certain 85, second": made(0.848, certain=True),
        "certain 90": made(0.9, certain=True),
        "low 60": made(0.6, certainty="low"),
        "uncertain 40": made(0.4, uncertain=True),
        "uncertain 70": made(0.7, uncertain=True),
        "unlike": made(0.01, unlike=True),
        "failed": made(failed=True),
    }
    names = {row.pk: name for name, row in rows.items()}
    assert [names[pk] for pk in shown(doctor_client)] == [
        "failed",
        "unlike",
        "uncertain 70",
        "low 60",
        "uncertain 40",
        "certain 90",
        "certain 85, first",
        "certain 85, second",
        "certain 20",
        "running",
        "queued",
    ]


def test_only_current_readings_of_the_doctors_own_that_nobody_judged(doctor_client, doctor, made):
    waits, judged = made(), made()
    old = AnalysisFactory(radiograph=waits.radiograph, is_current=None)
    review_create(analysis=judged, doctor=doctor, verdict="approved")
    theirs = AnalysisFactory()
    response = doctor_client.get(URL)
    assert [row.pk for row in response.context["page"]] == [waits.pk]
    for other in (old, theirs):
        assert str(other.pk) not in response.text
    assert str(theirs.radiograph_id) not in response.text


def test_a_new_analysis_waits_again(doctor_client, doctor, made):
    first = made()
    review_create(analysis=first, doctor=doctor, verdict="approved")
    assert shown(doctor_client) == []
    again = analysis_request(radiograph=first.radiograph, requested_by=doctor)
    assert (again.owner, again.acquired_on) == (doctor, first.radiograph.acquired_on)
    assert shown(doctor_client) == [again.pk]


def test_the_newest_judgement_of_the_owner_counts(doctor, other_doctor, made):
    analysis = made(label="lung_opacity")
    review_create(analysis=analysis, doctor=doctor, verdict="approved")
    review_create(
        analysis=analysis, doctor=doctor, verdict="contested", label="normal", reason="artefact"
    )
    review_create(analysis=analysis, doctor=other_doctor, verdict="approved")
    analysis.refresh_from_db()
    assert analysis.judgement == "contested"


def test_the_migration_fills_in_what_was_there(doctor, other_doctor, made):
    analysis, left = made(label="lung_opacity"), made()
    review_create(analysis=analysis, doctor=doctor, verdict="approved")
    review_create(
        analysis=analysis, doctor=doctor, verdict="contested", label="normal", reason="artefact"
    )
    review_create(analysis=analysis, doctor=other_doctor, verdict="approved")
    Analysis.objects.update(judgement="", owner=other_doctor, acquired_on=dt.date(1900, 1, 1))
    import_module("inference.migrations.0003_worklist").fill(apps, None)
    for row, judgement in ((analysis, "contested"), (left, "")):
        row.refresh_from_db()
        assert (row.owner, row.judgement) == (doctor, judgement)
        assert row.acquired_on == row.radiograph.acquired_on


# --- Filters --------------------------------------------------------------------------------


def test_filters_stand_in_the_address_and_add_up(doctor_client, doctor, made):
    normal = made(label="normal", certain=True, radiograph__acquired_on=dt.date(2020, 1, 1))
    opacity = made(certain=True, radiograph__acquired_on=dt.date(2024, 1, 1))
    unsure = made(uncertain=True, radiograph__acquired_on=dt.date(2024, 2, 1))
    failed = made(failed=True, radiograph__acquired_on=dt.date(2024, 3, 1))
    agreed, contested = made(), made()
    review_create(analysis=agreed, doctor=doctor, verdict="approved")
    review_create(
        analysis=contested, doctor=doctor, verdict="contested", label="normal", reason="artefact"
    )
    elsewhere = AnalysisFactory(
        radiograph__patient=PatientFactory(owner=doctor),
        radiograph__acquired_on=dt.date(2022, 1, 1),
        certain=True,
    )
    client = doctor_client
    assert shown(client, label="normal") == [normal.pk]
    assert set(shown(client, certainty="certain")) == {normal.pk, opacity.pk, elsewhere.pk}
    assert shown(client, certainty="uncertain") == [unsure.pk]
    assert shown(client, status="failed") == [failed.pk]
    assert shown(client, status="failed", certainty="certain") == []
    assert shown(client, since="2024-02-01", until="2024-02-28") == [unsure.pk]
    assert shown(client, label="lung_opacity", until="2024-01-31", since="2024-01-01") == [
        opacity.pk
    ]
    assert set(shown(client, judgement="judged")) == {agreed.pk, contested.pk}
    assert shown(client, judgement="approved") == [agreed.pk]
    assert shown(client, judgement="contested") == [contested.pk]
    assert len(shown(client, judgement="all")) == 7
    assert shown(client, patient=elsewhere.radiograph.patient_id) == [elsewhere.pk]


@pytest.mark.parametrize(
    "query",
    [
        {"label": "rib"},
        {"certainty": "\x00"},
        {"status": "done' OR 1=1"},
        {"judgement": "?"},
        {"since": "yesterday", "until": "99999-01-01"},
        {"patient": "not-a-key"},
        {"after": "x", "before": "\x00"},
        {"after": "01890a5d-ac96-774b-bcce-b302099a8057"},
    ],
)
def test_a_filter_that_is_none_hides_nothing(doctor_client, made, query):
    analysis = made()
    response = doctor_client.get(URL, query)
    assert response.status_code == 200
    assert [row.pk for row in response.context["page"]] == [analysis.pk]


@pytest.mark.parametrize(
    "since", ["x", "2024-13-01T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "0001-01-01T00:00Z"]
)
def test_news_since_no_time_at_all_are_none(doctor_client, made, since):
    made()
    assert doctor_client.get(NEWS, {"since": since}).status_code == 204


def test_the_counts_are_of_what_waits(doctor_client, doctor, made):
    for state in ("failed", "queued", "queued", "running"):
        made(**{state: True})
    made(uncertain=True), made(certain=True)
    review_create(analysis=made(), doctor=doctor, verdict="approved")
    AnalysisFactory()
    counts = doctor_client.get(URL, {"label": "normal"}).context["counts"]
    assert {entry["status"]: entry["count"] for entry in counts} == {
        "failed": 1,
        "done": 2,
        "running": 1,
        "queued": 2,
    }


def test_a_count_ends_somewhere(doctor_client, made, monkeypatch):
    monkeypatch.setattr("inference.worklist.COUNT_LIMIT", 2)
    for _ in range(3):
        made()
    page = doctor_client.get(URL)
    assert re.search(r"<strong>2\+</strong>", page.text)


# --- Pages and places -----------------------------------------------------------------------


def test_pages_follow_each_other_even_when_their_first_row_is_judged(doctor_client, doctor, made):
    rows = [made(0.9 - number / 100, certain=True) for number in range(60)]
    keys = [row.pk for row in rows]
    first = doctor_client.get(URL, {"label": "lung_opacity"})
    assert [row.pk for row in first.context["page"]] == keys[:25]
    after = first.context["page"].after
    assert f"label=lung_opacity&amp;after={after}" in first.text
    assert shown(doctor_client, after=after) == keys[25:50]
    review_create(analysis=rows[24], doctor=doctor, verdict="approved")
    assert shown(doctor_client, after=after) == keys[25:50]
    assert shown(doctor_client, before=rows[50].radiograph_id) == keys[25:50]


def test_a_reading_leads_back_to_page_filter_and_row(doctor_client, made):
    analysis, other = made(), made()
    query = {"label": "lung_opacity", "after": other.radiograph_id, "since": "01/02/2020"}
    doctor_client.get(URL, {**query, "next": "//example.org", "certainty": "rib"})
    page = doctor_client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text
    back = (
        f"{URL}?label=lung_opacity&amp;since=2020-02-01&amp;after={other.radiograph_id}"
        f"#open-{analysis.radiograph_id}"
    )
    assert f'href="{back}"' in page
    assert "example.org" not in page


def test_no_patient_identifier_stands_in_an_address(doctor_client, made):
    analysis = made()
    page = doctor_client.get(URL, {"patient": analysis.radiograph.patient_id})
    identifier = analysis.radiograph.patient.identifier
    assert identifier in page.text
    addresses = re.findall(r'(?:href|src|action|hx-\w+)="([^"]*)"', page.text)
    assert not [address for address in addresses if identifier in address]
    assert identifier not in page.cookies["worklist"].value


def test_a_row_shows_what_there_is_to_see(doctor_client, made):
    analysis = made(certain=True)
    page = doctor_client.get(URL).text
    preview = reverse("radiology:preview", args=[analysis.radiograph_id])
    assert preview not in page
    analysis.radiograph.preview.save("", ContentFile(b"\xff\xd8"))
    page = doctor_client.get(URL).text
    assert f'<img src="{preview}" width="72" height="72" loading="lazy"' in page
    assert 'data-class="lung_opacity"' in page
    assert 'data-certainty="certain"' in page


def test_an_empty_worklist_says_so(doctor_client):
    assert "Nothing waits for you" in doctor_client.get(URL).text
    assert "No radiograph matches" in doctor_client.get(URL, {"status": "done"}).text


def test_it_costs_the_same_for_many_rows(doctor_client, made, django_assert_num_queries):
    made(uncertain=True), made(certain=True), made(failed=True)
    doctor_client.get(URL)  # the record of the access is written once in a while
    # session, doctor, newest, keys, rows, patients, model versions, four counts
    with django_assert_num_queries(11):
        doctor_client.get(URL)
    for number in range(30):
        made(number / 40, certain=True)
        made(number / 40)
    with django_assert_num_queries(11):
        page = doctor_client.get(URL).context["page"]
    with django_assert_num_queries(13):  # the row after which it begins, the record of that page
        doctor_client.get(
            URL, {"after": page.after, "label": "lung_opacity", "since": "2000-01-01"}
        )


def test_looking_at_it_is_recorded(doctor_client, doctor, made):
    made()
    doctor_client.get(URL)
    event = AccessEvent.objects.get(actor=doctor)
    assert (event.action, event.object_id, event.route) == ("read", "list", "inference:worklist")


# --- News -------------------------------------------------------------------------------------


def news_url(page) -> str:
    return re.search(r'hx-get="([^"]+)"', page).group(1).replace("&amp;", "&")


def test_new_readings_are_told_and_nothing_moves(
    doctor_client, made, patient, django_assert_num_queries
):
    made()
    waiting = made(queued=True)
    url = news_url(doctor_client.get(URL, {"label": "lung_opacity"}).text)
    with django_assert_num_queries(3):  # session, doctor, count
        assert doctor_client.get(url).status_code == 204
    later = timezone.now() + timedelta(seconds=1)
    Analysis.objects.filter(pk=waiting.pk).update(
        status="done", label="lung_opacity", finished_at=later
    )
    made(label="normal", finished_at=later)
    AnalysisFactory(finished_at=later)
    fragment = doctor_client.get(url)
    assert "1 new reading" in fragment.text
    assert f'href="{URL}?label=lung_opacity"' in fragment.text
    assert doctor_client.get(f"{url}&shown=1").status_code == 204
    made(finished_at=later)
    assert "2 new readings" in doctor_client.get(f"{url}&shown=1").text
    assert not AccessEvent.objects.filter(route="inference:worklist_news").exists()


def test_the_first_reading_of_all_is_news(doctor_client, made):
    url = news_url(doctor_client.get(URL).text)
    made()
    assert "1 new reading" in doctor_client.get(url).text


# --- Approving from the list -------------------------------------------------------------------


def test_approving_keeps_the_place(doctor_client, doctor, made):
    analysis = made(certain=True)
    doctor_client.get(URL, {"certainty": "certain"})
    response = doctor_client.post(approve_url(analysis))
    assert response.url == f"{URL}?certainty=certain#open-{analysis.radiograph_id}"
    review = Review.objects.get()
    assert (review.analysis, review.doctor, review.verdict) == (analysis, doctor, "approved")
    doctor_client.post(approve_url(analysis))
    assert Review.objects.count() == 1


def test_by_htmx_the_row_stays_and_says_so(doctor_client, made):
    analysis = made(certain=True)
    row = doctor_client.post(approve_url(analysis), headers={"hx-request": "true"}).text
    assert row.lstrip().startswith(f'<tr id="row-{analysis.radiograph_id}"')
    assert "Approved" in row
    assert "data-approve" not in row
    assert "Your judgement is recorded." in row


@pytest.mark.parametrize(
    "fields",
    [{"uncertain": True}, {"unlike": True}, {"failed": True}, {"queued": True}, {"running": True}],
    ids=str,
)
def test_what_names_no_single_class_is_not_approved_from_the_list(doctor_client, made, fields):
    analysis = made(**fields)
    assert "data-approve" not in doctor_client.get(URL).text
    row = doctor_client.post(approve_url(analysis), headers={"hx-request": "true"})
    assert "file-error" in row.text
    page = doctor_client.post(approve_url(analysis), follow=True)
    assert [message.level_tag for message in page.context["messages"]] == ["error"]
    assert not Review.objects.exists()


def test_what_was_read_again_meanwhile_is_not_approved(doctor_client, doctor, made):
    analysis = made(certain=True)
    again = analysis_request(radiograph=analysis.radiograph, requested_by=doctor)
    row = doctor_client.post(approve_url(analysis), headers={"hx-request": "true"})
    assert "read again meanwhile" in row.text
    assert row.context["analysis"] == again
    assert not Review.objects.exists()


def test_nobody_approves_what_is_anothers(other_doctor_client, made):
    assert other_doctor_client.post(approve_url(made(certain=True))).status_code == 404
    assert not Review.objects.exists()


def test_the_counts_follow_a_judgement_from_the_list(doctor_client, doctor):
    analysis = AnalysisFactory(certain=True, radiograph__patient__owner=doctor)
    AnalysisFactory(certain=True, radiograph__patient__owner=doctor)
    page = doctor_client.get(reverse("inference:worklist")).text
    answer = doctor_client.post(
        reverse("inference:worklist_approve", args=[analysis.pk]), headers={"hx-request": "true"}
    ).text

    def waiting(text: str) -> str:
        counts = text.partition('id="worklist-counts"')[2]
        return re.search(r'data-status="done".*?<strong>(\d+)', counts, re.DOTALL)[1]

    assert (waiting(page), waiting(answer)) == ("2", "1")
    assert 'id="worklist-counts" hx-swap-oob="outerHTML"' in answer
