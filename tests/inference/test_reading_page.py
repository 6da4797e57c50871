"""The page of one reading, its state while it is awaited, and what a doctor judges of it."""

import datetime as dt
import re
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from inference.models import Analysis, Review
from inference.services import review_create
from operations.models import AccessEvent
from tests.accounts.factories import DoctorFactory
from tests.inference.factories import AnalysisFactory

pytestmark = pytest.mark.django_db

LIST = reverse("inference:list")


def page_url(analysis):
    return reverse("inference:reading", args=[analysis.radiograph_id])


def status_url(analysis):
    return reverse("inference:status", args=[analysis.radiograph_id])


def retry_url(analysis):
    return reverse("inference:retry", args=[analysis.radiograph_id])


def review_url(analysis):
    return reverse("inference:review", args=[analysis.pk])


# --- One reading ---------------------------------------------------------------------------


def test_a_finished_reading_shows_all_of_it(doctor_client, analysis):
    page = doctor_client.get(page_url(analysis)).text
    for text in ("Lung opacity", "High certainty", "85%", "10%", "5%", "never decides"):
        assert text in page
    assert str(analysis.model_version) in page
    assert analysis.radiograph.patient.identifier in page
    assert review_url(analysis) in page
    assert status_url(analysis) not in page  # nothing is awaited any more


def test_a_certain_reading_names_one_class_and_how_often_such_are_right(doctor_client, patient):
    analysis = AnalysisFactory(certain=True, radiograph__patient=patient)
    page = doctor_client.get(page_url(analysis)).text
    for text in ("Lung opacity", "Certain", "Only this class remains possible", "86% were right"):
        assert text in page
    assert "(76% to 94%)" in page
    assert "above the limit that rules it in (80%)" in page
    assert "94% (89% to 97%) were below" in page
    assert "Do you agree with the class?" in page


def test_an_uncertain_reading_names_what_remains_and_calls_for_a_person(doctor_client, patient):
    analysis = AnalysisFactory(
        uncertain=True, radiograph__patient=patient, p_lung_opacity=0.5, p_not_normal=0.45
    )
    page = doctor_client.get(page_url(analysis)).text
    assert "Uncertain: Lung opacity or Abnormal without opacity" in page
    for text in ("A person must decide", "hold the true class for 90%", "most probable of them"):
        assert text in page
    assert "An opacity suspicious for pneumonia" not in page
    assert 'class="result-class" ' not in page
    assert "Triage" not in page
    listed = doctor_client.get(LIST).text
    row = re.search(r"<tbody>.*?</tbody>", listed, re.DOTALL).group()
    assert [row.count(name) for name in ("Lung opacity", "Abnormal without opacity")] == [1, 1]
    assert "50% · 45%" in row
    assert "Uncertain" in row


@pytest.mark.parametrize("trait", [{}, {"prediction_set": [], "gate_score": 0.5}])
def test_what_is_unlike_names_no_class(doctor_client, patient, trait):
    analysis = AnalysisFactory(unlike=True, radiograph__patient=patient, **trait)
    page = doctor_client.get(page_url(analysis)).text
    assert "The reading is ready: Not like what the model knows." in page
    assert "probabilities mean nothing here" in page
    assert ("No class fits" in page) == bool(trait)
    assert "A person must read it" in page
    assert "Triage" not in page
    assert 'class="result-class" ' not in page
    # Its probabilities are there for who asks, and no class is marked among them.
    assert "<details" in page
    assert "is-chosen" not in page
    row = re.search(r"<tbody>.*?</tbody>", doctor_client.get(LIST).text, re.DOTALL).group()
    assert "Lung opacity" not in row
    assert "85%" not in row
    assert "Not like what the model knows" in row


def test_what_is_unlike_is_not_agreed_with_by_one_button(doctor_client, patient):
    analysis = AnalysisFactory(unlike=True, radiograph__patient=patient)
    page = doctor_client.get(page_url(analysis)).text
    assert 'name="verdict" value="approved"' not in page
    assert "Say what you see" in page
    assert 'id="id_reason"' not in page
    for body in ({"verdict": "approved"}, {"verdict": "contested"}):
        assert doctor_client.post(review_url(analysis), body).status_code == 422
    assert not Review.objects.exists()
    doctor_client.post(review_url(analysis), {"verdict": "contested", "label": analysis.label})
    doctor_client.post(review_url(analysis), {"verdict": "contested", "label": "normal"})
    said = [(review.label, review.verdict) for review in Review.objects.order_by("pk")]
    assert said == [(analysis.label, "approved"), ("normal", "contested")]
    history = doctor_client.get(page_url(analysis)).text.partition('class="reviews"')[2]
    assert history.count("Class seen") == 2
    assert "Contested" not in history
    assert "say why" not in history


def test_the_map_says_what_it_shows(doctor_client, patient):
    for trait, text in (
        ("certain", "Show what the class rests on"),
        ("uncertain", "not the only possible class"),
        ("unlike", "the map says nothing"),
    ):
        analysis = AnalysisFactory(**{trait: True}, radiograph__patient=patient)
        analysis.map.save("", ContentFile(b"\x89PNG"))
        page = doctor_client.get(page_url(analysis)).text
        assert text in page
        assert "Probability of “Lung opacity” by place" in page


def test_pages_of_sets_cost_no_more_queries(doctor_client, patient, django_assert_num_queries):
    analysis = AnalysisFactory(uncertain=True, radiograph__patient=patient)
    AnalysisFactory(unlike=True, radiograph__patient=patient)
    doctor_client.get(page_url(analysis))
    with django_assert_num_queries(9):
        doctor_client.get(page_url(analysis))
    doctor_client.get(LIST)
    with django_assert_num_queries(6):
        doctor_client.get(LIST)


def test_numbers_are_localised_and_coordinates_are_not(client_for, doctor, patient):
    for day in (1, 2):
        analysis = AnalysisFactory(
            radiograph__patient=patient, radiograph__acquired_on=dt.date(2024, 1, day)
        )
    analysis.finished_at = analysis.queued_at + timedelta(seconds=1.24)
    analysis.save()
    page = client_for(doctor, language="fr").get(page_url(analysis)).text
    assert "1,2" in page
    svg = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert re.findall(r'(?:x|y|d|width|cx|cy)="[^"]*\d,\d[^"]*"', svg) == []


def test_page_costs_the_same_for_a_long_history(
    doctor_client, patient, analysis, django_assert_num_queries
):
    doctor_client.get(page_url(analysis))
    # Session, doctor, reading, reviews; who is asked; what the reading replaced, reviews that
    # count, the version in production; history.
    with django_assert_num_queries(9):
        doctor_client.get(page_url(analysis))
    AnalysisFactory.create_batch(10, radiograph__patient=patient)
    for _ in range(5):
        review_create(analysis=analysis, doctor=patient.owner, verdict="approved")
    with django_assert_num_queries(9):
        doctor_client.get(page_url(analysis))


@pytest.mark.parametrize("state", ["queued", "running"])
def test_an_unfinished_reading_asks_again_by_itself(doctor_client, patient, state):
    analysis = AnalysisFactory(
        radiograph__patient=patient, queued_at=timezone.now(), **{state: True}
    )
    page = doctor_client.get(page_url(analysis)).text
    assert f"{status_url(analysis)}?shown={state}" in page
    assert "load delay:300ms" in page
    assert "%</dd>" not in page


@pytest.mark.parametrize(("waited", "delay"), [(1, 300), (5, 700), (30, 2000), (300, 5000)])
def test_it_asks_more_and_more_rarely(doctor_client, patient, waited, delay):
    analysis = AnalysisFactory(
        radiograph__patient=patient,
        running=True,
        queued_at=timezone.now() - timedelta(seconds=waited),
    )
    assert f"load delay:{delay}ms" in doctor_client.get(status_url(analysis)).text


def test_while_nothing_changes_only_the_next_question_comes(doctor_client, patient):
    analysis = AnalysisFactory(radiograph__patient=patient, queued=True, queued_at=timezone.now())
    same = doctor_client.get(status_url(analysis), {"shown": "queued"}).text
    assert "hx-swap-oob" not in same
    Analysis.objects.update(status="running")
    changed = doctor_client.get(status_url(analysis), {"shown": "queued"}).text
    assert 'id="reading-state" hx-swap-oob' in changed
    assert "being read" in changed
    assert 'id="history"' not in changed


def test_the_finished_reading_arrives_with_its_history_and_no_more_questions(
    doctor_client, analysis
):
    fragment = doctor_client.get(status_url(analysis), {"shown": "running"}).text
    for name in ("reading-state", "reading-panel", "history"):
        assert f'id="{name}" hx-swap-oob' in fragment
    assert "hx-get" not in fragment
    assert "85%" in fragment


def test_the_question_is_cheap(doctor_client, patient, django_assert_num_queries):
    analysis = AnalysisFactory(radiograph__patient=patient, queued=True, queued_at=timezone.now())
    with django_assert_num_queries(3):  # session, doctor, reading
        doctor_client.get(status_url(analysis), {"shown": "queued"})


def test_a_line_follows_its_reading_to_the_end(
    doctor_client, doctor, patient, django_assert_num_queries
):
    analysis = AnalysisFactory(radiograph__patient=patient, queued=True)
    url = reverse("inference:result", args=[analysis.radiograph_id])
    line = doctor_client.get(url).text
    assert f'hx-get="{url}?shown=queued" hx-trigger="every 2s"' in line
    with django_assert_num_queries(3):  # session, doctor, reading
        same = doctor_client.get(url, {"shown": "queued"})
    assert (same.status_code, same.text) == (204, "")
    Analysis.objects.update(status="running")
    assert "?shown=running" in doctor_client.get(url, {"shown": "queued"}).text
    assert not AccessEvent.objects.filter(action="read").exists()
    Analysis.objects.update(status="failed", error_code="blank_image")
    line = doctor_client.get(url, {"shown": "running"}).text
    assert "The image is blank" in line
    assert "hx-get" not in line
    assert AccessEvent.objects.filter(action="read", actor=doctor).count() == 1


def test_a_finished_line_shows_class_probability_and_certainty(doctor_client, analysis):
    line = doctor_client.get(reverse("inference:result", args=[analysis.radiograph_id])).text
    assert analysis.get_label_display() in line
    assert "85%" in line
    assert "hx-get" not in line


def test_a_reading_that_nobody_takes_says_so(doctor_client, patient):
    long_ago = timezone.now() - timedelta(seconds=30)
    analysis = AnalysisFactory(radiograph__patient=patient, queued=True, queued_at=long_ago)
    page = doctor_client.get(page_url(analysis)).text
    assert "no worker seems to be running" in page
    assert "shown=stalled" in page
    AnalysisFactory(running=True)
    assert "no worker seems to be running" not in doctor_client.get(page_url(analysis)).text


def test_a_failed_reading_gives_its_reason_and_another_try(doctor_client, patient):
    analysis = AnalysisFactory(radiograph__patient=patient, failed=True)
    page = doctor_client.get(page_url(analysis)).text
    assert escape(analysis.error_sentence) in page
    assert "undecodable" in page
    assert retry_url(analysis) in page
    assert doctor_client.post(retry_url(analysis)).url == page_url(analysis)
    analysis.refresh_from_db()
    assert analysis.status == "queued"
    assert analysis.error_code == ""


def test_only_a_failed_reading_is_tried_again(doctor_client, analysis):
    page = doctor_client.post(retry_url(analysis), follow=True)
    assert "Only a reading that failed" in page.text
    analysis.refresh_from_db()
    assert analysis.status == "done"


def test_warnings_are_sentences(doctor_client, analysis):
    analysis.radiograph.warnings = [{"code": "view_unknown"}]
    analysis.radiograph.save()
    page = doctor_client.get(page_url(analysis)).text
    assert "Please check" in page
    assert "view_unknown" not in page


def test_reads_are_recorded_once(doctor_client, doctor, analysis):
    for _ in range(3):
        doctor_client.get(page_url(analysis))
    doctor_client.get(LIST)
    events = AccessEvent.objects.filter(actor=doctor, action="read")
    assert sorted(events.values_list("object_id", flat=True)) == sorted(
        [str(analysis.radiograph_id), "list"]
    )


def test_a_map_that_the_storage_does_not_give(doctor_client, analysis, fail_storage):
    analysis.map.save("", ContentFile(b"\x89PNG"))
    fail_storage()
    response = doctor_client.get(reverse("inference:map", args=[analysis.pk]))
    assert response.status_code == 503
    assert "<code>storage_unavailable</code>" in response.text


def test_the_map_is_a_picture_for_its_doctor_alone(doctor_client, analysis):
    url = reverse("inference:map", args=[analysis.pk])
    assert doctor_client.get(url).status_code == 404
    analysis.map.save("", ContentFile(b"\x89PNG"))
    response = doctor_client.get(url)
    assert (response.headers["Content-Type"], response.getvalue()) == ("image/png", b"\x89PNG")
    assert response.headers["Cache-Control"] == "private, no-cache"
    again = doctor_client.get(url, headers={"if-none-match": response.headers["ETag"]})
    assert again.status_code == 304
    analysis.radiograph.preview.save("", ContentFile(b"\xff\xd8"))
    assert url in doctor_client.get(page_url(analysis)).text
    analysis.map.storage.delete(analysis.map.name)
    assert doctor_client.get(url).status_code == 404
    theirs = AnalysisFactory()
    theirs.map.save("", ContentFile(b"\x89PNG"))
    assert doctor_client.get(reverse("inference:map", args=[theirs.pk])).status_code == 404


# --- Judgement -----------------------------------------------------------------------------


def test_a_doctor_agrees_and_later_contests(doctor_client, doctor, analysis):
    response = doctor_client.post(review_url(analysis), {"verdict": "approved"})
    assert response.url == page_url(analysis)
    data = {
        "verdict": "contested",
        "label": "normal",
        "reason": "artefact",
        "comment": "Skin fold.\n<b>",
    }
    doctor_client.post(review_url(analysis), data)
    judged = Review.objects.order_by("created_at", "pk").values_list("verdict", "label", "doctor")
    assert list(judged) == [
        ("approved", "lung_opacity", doctor.pk),
        ("contested", "normal", doctor.pk),
    ]
    page = doctor_client.get(page_url(analysis)).text
    history = page[page.index('class="reviews"') :]
    assert history.index("Contested") < history.index("Approved")
    assert "Artefact or device" in history[: history.index("Approved")]
    assert history.count("replaced by a later one") == 1
    assert history.index("Approved") < history.index("replaced by a later one")
    assert str(doctor) in history
    assert "Skin fold.<br>&lt;b&gt;" in page


def test_to_agree_is_one_button_until_one_has(doctor_client, analysis):
    one_click = 'name="verdict" value="approved"'
    assert one_click in doctor_client.get(page_url(analysis)).text
    doctor_client.post(review_url(analysis), {"verdict": "approved"})
    assert one_click not in doctor_client.get(page_url(analysis)).text
    doctor_client.post(
        review_url(analysis), {"verdict": "contested", "label": "normal", "reason": "artefact"}
    )
    assert one_click in doctor_client.get(page_url(analysis)).text


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "verdict"),
        ({"verdict": "maybe"}, "verdict"),
        ({"verdict": "contested"}, "label"),
        ({"verdict": "contested"}, "reason"),
        ({"verdict": "contested", "label": "lung_opacity"}, "label"),
        ({"verdict": "contested", "label": "normal"}, "reason"),
        ({"verdict": "contested", "label": "normal", "reason": "missed_opacity"}, "reason"),
        ({"verdict": "contested", "label": "normal", "reason": "other"}, "comment"),
        ({"verdict": "approved", "comment": "x" * 2001}, "comment"),
    ],
)
def test_half_a_judgement_is_refused_beside_its_field(doctor_client, analysis, data, field):
    response = doctor_client.post(review_url(analysis), data)
    assert response.status_code == 422
    assert field in response.context["review_form"].errors
    assert not Review.objects.exists()


def test_only_what_may_be_left_out_is_called_optional(doctor_client, analysis):
    assert doctor_client.get(page_url(analysis)).text.count("(optional)") == 1  # The comment.
    assert "(optional)" not in doctor_client.get(reverse("inference:new")).text


def test_an_unfinished_reading_is_not_judged(doctor_client, patient):
    analysis = AnalysisFactory(radiograph__patient=patient, queued=True)
    response = doctor_client.post(
        review_url(analysis), {"verdict": "contested", "label": "normal", "reason": "artefact"}
    )
    assert response.status_code == 422
    assert not Review.objects.exists()


# --- Who -----------------------------------------------------------------------------------


def test_anothers_reading_does_not_exist(doctor_client):
    theirs = AnalysisFactory(failed=True)
    for url in (page_url(theirs), status_url(theirs)):
        assert doctor_client.get(url).status_code == 404
    assert doctor_client.post(retry_url(theirs)).status_code == 404
    assert doctor_client.post(review_url(theirs), {"verdict": "approved"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.status == "failed"


@pytest.mark.parametrize("name", ["retry", "review"])
def test_changes_are_posts(doctor_client, analysis, name):
    assert (
        doctor_client.get({"retry": retry_url, "review": review_url}[name](analysis)).status_code
        == 405
    )


def test_a_post_without_its_token_is_refused(client_for, doctor, analysis):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    strict.cookies["django_language"] = "en"
    strict.force_login(doctor)
    response = strict.post(review_url(analysis), {"verdict": "approved"})
    assert response.status_code == 403
    assert "The page is too old" in response.text
    assert not Review.objects.exists()


def test_only_a_practising_doctor_comes_in(client, client_for, admin_client, settings, analysis):
    settings.DOCTOR_VERIFICATION_REQUIRED = True
    waiting = client_for(DoctorFactory(pending=True))
    for url in (LIST, page_url(analysis), status_url(analysis), reverse("inference:new")):
        assert client.get(url).url.startswith(reverse("account_login"))
        assert admin_client.get(url).url == reverse("admin:index")
        assert waiting.get(url).url == reverse("accounts:waiting")


def test_a_fragment_sends_the_whole_page_to_the_login(client, analysis):
    response = client.get(status_url(analysis), headers={"hx-request": "true"})
    assert response.headers["HX-Redirect"].startswith(reverse("account_login"))
