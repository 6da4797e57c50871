"""Judgements in numbers, against judgements made by hand."""

from __future__ import annotations

import csv
import datetime as dt
import io
from math import isclose

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.services import doctor_update
from inference.models import Analysis, Review
from inference.review_services import review_before_reading
from inference.services import review_create
from inference.statistics import Tally, judgements, wilson_interval
from inference.statistics_charts import HEIGHT, month_chart
from tests.accounts.factories import AdminFactory
from tests.inference.factories import AnalysisFactory, ModelVersionFactory

pytestmark = pytest.mark.django_db

PAGE = "/statistics/"


@pytest.fixture
def judge(doctor):
    """``judge("normal", "contested", says="lung_opacity", on="2026-01-31T23:30")``."""

    def make(read, verdict="approved", *, says="", on=None, by=doctor, analysis=None, **fields):
        if analysis is None:
            fields = {"radiograph__patient__owner": doctor} | fields
            analysis = AnalysisFactory(label=read, **fields)
        # A reason that every contested reading may have.
        reason = {"reason": "artefact"} if verdict == "contested" else {}
        says = says or (read if verdict == "approved" else "")
        review = review_create(analysis=analysis, doctor=by, verdict=verdict, label=says, **reason)
        if on:
            at = timezone.make_aware(dt.datetime.fromisoformat(on))
            Review.objects.filter(pk=review.pk).update(created_at=at)
        return analysis

    return make


def months_back(count: int) -> dt.date:
    """The first day of the month ``count`` months ago."""
    day = timezone.localdate().replace(day=1)
    for _month in range(count):
        day = (day - dt.timedelta(days=1)).replace(day=1)
    return day


def test_by_class_and_in_all(judge, doctor):
    judge("normal")
    judge("normal", "contested", says="not_normal")
    judge("lung_opacity")
    judge("lung_opacity")
    found = judgements(doctor=doctor, months=12)
    assert found.total == Tally(agreed=3, contested=1)
    assert found.total.share == 0.75
    assert found.by_class == {
        "normal": Tally(1, 1),
        "lung_opacity": Tally(2, 0),
        "not_normal": Tally(0, 0),
    }
    assert found.by_class["not_normal"].share is None
    # Rows: what the doctor said; columns: what the model read.
    assert found.confusion == [[1, 0, 0], [0, 2, 0], [1, 0, 0]]


def test_a_change_of_mind_counts_once_with_the_newest(judge, doctor):
    analysis = judge("normal")
    judge("normal", "contested", says="lung_opacity", analysis=analysis)
    found = judgements(doctor=doctor, months=12)
    assert found.total == Tally(0, 1)
    assert Review.objects.count() == 2


def test_another_version_is_another_reading(judge, doctor):
    old, new = ModelVersionFactory(), ModelVersionFactory()
    first = judge("normal", "contested", says="lung_opacity", model_version=old, is_current=None)
    judge("lung_opacity", radiograph=first.radiograph, model_version=new)
    found = judgements(doctor=doctor, months=12)
    assert found.total == Tally(1, 1)
    of = found.by_version()
    assert {version: one.total for version, one in of.items()} == {
        old.pk: Tally(0, 1),
        new.pk: Tally(1, 0),
    }
    assert of[old.pk].confusion[1] == [1, 0, 0]


def test_each_doctor_has_their_own_and_all_are_added_up(judge, doctor, other_doctor):
    analysis = judge("normal")
    judge("normal", "contested", says="not_normal", analysis=analysis, by=other_doctor)
    assert judgements(doctor=doctor, months=12).total == Tally(1, 0)
    assert judgements(doctor=other_doctor, months=12).total == Tally(0, 1)
    assert judgements(months=12).total == Tally(1, 1)


def test_a_decision_where_doctors_differ_is_no_judgement(judge, doctor, admin):
    analysis = judge("normal")
    Review.objects.create(
        analysis=analysis,
        doctor=admin,
        kind=Review.Kind.DECISION,
        verdict="contested",
        label="not_normal",
        is_current=None,
    )
    assert judgements().total == Tally(1, 0)
    assert judgements(doctor=admin).total == Tally()


def test_a_month_begins_at_midnight_of_the_portals_clock(judge, doctor, settings):
    month = months_back(1)
    assert settings.TIME_ZONE == "Europe/Paris"
    before = dt.datetime.combine(month, dt.time()) - dt.timedelta(minutes=1)
    judge("normal", on=before.isoformat())
    judge("normal", "contested", says="not_normal", on=f"{month}T00:00")
    found = judgements(doctor=doctor, months=3)
    assert found.by_month == {
        months_back(2): Tally(1, 0),
        months_back(1): Tally(0, 1),
        months_back(0): Tally(0, 0),
    }


def test_what_is_older_than_the_period_is_left_out(judge, doctor):
    judge("normal", on=f"{months_back(3)}T12:00")
    judge("lung_opacity")
    assert judgements(doctor=doctor, months=3).total == Tally(1, 0)
    of_all = judgements(doctor=doctor)
    assert of_all.total == Tally(2, 0)
    assert of_all.months == [months_back(n) for n in (3, 2, 1, 0)]


def test_by_certainty_in_the_order_of_the_model(judge, doctor):
    judge("normal", uncertain=True)
    judge("normal", certain=True)
    found = judgements(doctor=doctor, months=12).by_certainty
    assert list(found) == ["certain", "uncertain"]


@pytest.mark.parametrize("said", ["lung_opacity", "normal"])
def test_an_unlike_image_is_neither_agreed_with_nor_contested(judge, doctor, said):
    judge(said, unlike=True)
    found = judgements(doctor=doctor, months=12)
    assert found.total == Tally()
    assert sum(map(sum, found.confusion)) == 0


@pytest.mark.parametrize("months", [12, None])
def test_nobody_has_judged(doctor, months):
    found = judgements(doctor=doctor, months=months)
    assert found.total == Tally()
    assert found.months[-1] == months_back(0)
    assert month_chart(found.by_month) is None


def test_two_queries_at_most(judge, doctor, django_assert_num_queries):
    judge("normal")
    with django_assert_num_queries(1):
        judgements(doctor=doctor, months=36)
    with django_assert_num_queries(2):
        judgements(doctor=doctor)


@pytest.mark.parametrize(
    ("hits", "cases", "interval"),
    # Newcombe, Stat. Med. 17 (1998) 857, table I, method 3.
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilsons_interval_is_that_of_the_literature(hits, cases, interval):
    found = wilson_interval(hits, cases)
    assert all(isclose(a, b, abs_tol=5e-5) for a, b in zip(found, interval, strict=True))


# --- The chart ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "levels"),
    [(1, [0, 1]), (4, [0, 1, 2, 3, 4]), (7, [0, 2, 4, 6, 8]), (230, [0, 100, 200, 300])],
)
def test_the_scale_is_round_and_holds_every_column(most, levels):
    chart = month_chart({dt.date(2026, 1, 1): Tally(most, 0)})
    assert [level for _y, level in chart.levels] == levels
    assert 0 < float(chart.columns[0].agreed_y) < HEIGHT


def test_the_contested_stand_on_the_agreed():
    column = month_chart({dt.date(2026, 1, 1): Tally(3, 1)}).columns[0]
    foot = float(column.contested_y) + float(column.contested_height)
    assert foot == pytest.approx(float(column.agreed_y), abs=0.2)
    assert float(column.agreed_height) == pytest.approx(3 * float(column.contested_height), abs=0.2)


# --- The page -------------------------------------------------------------------------------


def test_the_page_shows_ones_own(client_for, judge, doctor, other_doctor):
    analysis = judge("normal")
    judge("normal", "contested", says="not_normal", analysis=analysis, by=other_doctor)
    page = client_for(doctor).get(PAGE)
    assert page.context["found"].total == Tally(1, 0)
    text = " ".join(page.text.split())
    assert "1 agreed, 0 contested." in text
    assert "<desc" in text
    assert client_for(other_doctor).get(PAGE).context["found"].total == Tally(0, 1)


@pytest.mark.parametrize(
    ("query", "months"),
    [("", 12), ("?period=3", 3), ("?period=all", 1), ("?period=0", 12), ("?period=%00", 12)],
)
def test_the_period_stands_in_the_address(client_for, judge, doctor, query, months):
    judge("normal")
    page = client_for(doctor).get(PAGE + query)
    assert page.status_code == 200
    assert len(page.context["found"].months) == months


def test_who_has_not_judged_is_told_what_to_do(client_for, doctor):
    page = client_for(doctor).get(PAGE)
    assert "No judgement in this period" in page.text
    assert '<svg class="chart' not in page.text


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("query", ["", "?period=all"])
def test_the_number_of_queries_of_the_page_does_not_grow(
    client_for, judge, doctor, rows, query, django_assert_num_queries
):
    for _row in range(rows):
        judge("normal")
    client = client_for(doctor)
    # Session, account, judgements and those before the reading, for all the first of each.
    with django_assert_num_queries(6 if query else 4):
        client.get(PAGE + query)


@pytest.mark.parametrize(("language", "delimiter"), [("en", ","), ("fr", ";")])
def test_the_file_has_the_numbers_of_the_page(client_for, judge, doctor, language, delimiter):
    judge("normal")
    judge("normal", "contested", says="not_normal")
    client = client_for(doctor, language=language)
    answer = client.get(reverse("inference:statistics_csv") + "?period=3")
    assert answer["Content-Type"].startswith("text/csv")
    head, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=delimiter)
    assert len(head) == 5
    assert len(lines) == 3 * 3
    this_month = f"{timezone.localdate():%Y-%m}"
    counts = {(month, place % 3): row for place, (month, _name, *row) in enumerate(lines)}
    assert counts[this_month, 0] == ["2", "1", "1"]
    assert sum(int(row[0]) for row in counts.values()) == 2


# --- The admin's page -----------------------------------------------------------------------

ADMIN = "/admin/inference/review/statistics/"


def test_the_admin_sees_each_version_against_what_doctors_said(
    admin_client, judge, doctor, other_doctor
):
    version, idle = ModelVersionFactory(), ModelVersionFactory()
    first = judge("normal", model_version=version)
    judge("normal", "contested", says="not_normal", analysis=first, by=other_doctor)
    judge("lung_opacity", "contested", says="normal", model_version=version)
    AnalysisFactory.create_batch(2, model_version=version)
    AnalysisFactory(model_version=idle)
    AnalysisFactory(failed=True)
    page = admin_client.get(ADMIN)
    of = {report.version: report for report in page.context["reports"]}
    assert set(of) == {version, idle}
    assert of[version].found.confusion == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert (of[version].coverage.readings, of[version].coverage.judged) == (4, 2)
    assert (of[idle].coverage.readings, of[idle].coverage.judged) == (1, 0)
    shares = [[cell["share"] for cell in row["cells"]] for row in of[version].matrix]
    assert shares == [[0.5, 0.5, 0], [None, None, None], [1, 0, 0]]
    text = " ".join(page.text.split())
    assert "Agreement 33% (1 of 3; 95% interval 6% to 79%)." in text
    assert "Judged readings are a selection." in text


def test_the_admin_sees_one_doctor(admin_client, judge, doctor, other_doctor):
    first = judge("normal")
    judge("normal", "contested", says="not_normal", analysis=first, by=other_doctor)
    AnalysisFactory()
    page = admin_client.get(ADMIN, {"doctor": doctor.pk})
    assert page.context["found"].total == Tally(1, 0)
    coverage = page.context["reports"][0].coverage
    assert (coverage.readings, coverage.judged) == (1, 1)


@pytest.mark.parametrize("query", ["?doctor=999999", "?doctor=x", "?period=7", "?doctor=%00"])
def test_the_admin_is_not_led_astray_by_the_address(admin_client, judge, query):
    judge("normal")
    page = admin_client.get(ADMIN + query)
    assert page.status_code == 200
    assert page.context["found"].total.judged == 1


def test_what_was_judged_before_the_reading_was_shown_counts_too(admin_client, client_for, doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor, label="normal")
    doctor_update(doctor=doctor, by=doctor, read_first=True)
    doctor.refresh_from_db()
    Analysis.objects.update(finished_at=timezone.now())
    review_before_reading(analysis=analysis, doctor=doctor, label="not_normal")
    review_create(analysis=analysis, doctor=doctor, verdict="approved")
    page = admin_client.get(ADMIN)
    assert page.context["found"].total == Tally(1, 0)
    assert page.context["unseen"].total == Tally(0, 1)
    assert "Judged before the reading was shown" in page.text
    own = client_for(doctor).get(PAGE).text
    assert "you judged 1 radiograph; the model said the same of 0" in " ".join(own.split())


def test_the_admin_page_has_nothing_of_a_patient(admin_client, judge):
    analysis = judge("normal")
    text = admin_client.get(ADMIN).text
    assert str(analysis.pk) not in text
    assert str(analysis.radiograph_id) not in text
    assert analysis.radiograph.patient.identifier not in text


def test_only_who_may_view_judgements_opens_the_admin_page(client_for, doctor, judge):
    judge("normal")
    clerk = AdminFactory(is_superuser=False)
    assert client_for(clerk).get(ADMIN).status_code == 403
    assert client_for(doctor).get(ADMIN).status_code in (302, 403)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_review"))
    page = client_for(clerk).get(ADMIN)
    assert page.status_code == 200
    assert ADMIN in client_for(clerk).get("/admin/inference/review/").text


@pytest.mark.parametrize("rows", [1, 6])
def test_the_number_of_queries_of_the_admin_page_does_not_grow(
    admin_client, judge, rows, django_assert_num_queries
):
    for _row in range(rows):
        judge("normal", model_version=ModelVersionFactory())
    # Session, account, doctors to choose from, judgements, those before, readings, judged
    # ones, versions.
    with django_assert_num_queries(8):
        admin_client.get(ADMIN)
