"""Slow statements: timed without values, summed up across processes, explained on demand."""

from __future__ import annotations

import datetime as dt

import pytest
from celery.signals import task_postrun, task_prerun
from django.core.signals import request_finished
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from operations.admin_queries import LIST
from operations.models import AccessEvent, StatementTimes
from operations.queries import sampling, services
from operations.queries.normal import normal
from operations.queries.plans import LARGE, explain, parameters
from operations.queries.tally import Tally
from operations.tasks import heartbeat
from patients.models import Patient
from radiology.models import Radiograph
from tests.accounts.factories import AdminFactory
from tests.patients.factories import PatientFactory

FULL_SCAN = Patient.objects.filter(birth_date="1961-05-04").order_by("created_at")


@pytest.fixture(autouse=True)
def _nothing_kept():
    sampling._kept.clear()
    yield
    sampling._kept.clear()


def test_a_statement_is_kept_without_its_values():
    raw = """SELECT "a"."b", COUNT(*) FROM "a" T4 WHERE "a"."b" = 'Doe''s' AND T4."c2" IN (%s, %s,
        %s) AND "a"."d" > 17.5 LIMIT 21 OFFSET 100"""
    assert normal(raw) == (
        'SELECT "a"."b", COUNT(*) FROM "a" T4 WHERE "a"."b" = %s AND T4."c2" IN (%s) '
        'AND "a"."d" > %s LIMIT %s OFFSET %s'
    )
    assert normal("INSERT INTO a (b) VALUES (%s, %s), (%s, %s), (%s, %s)").endswith(
        "VALUES (%s, %s)"
    )
    assert normal('SAVEPOINT "s1_x1"') == normal("PRAGMA foreign_keys") == ""


@given(st.text(alphabet="abc ';\"\\%0123456789", max_size=30), st.integers(0, 10**12))
def test_no_value_survives(text, number):
    quoted = text.replace("'", "''")
    kept = normal(f"SELECT a FROM b WHERE c = 'MARK{quoted}' AND d = {number}")
    assert kept == "SELECT a FROM b WHERE c = %s AND d = %s"


@given(st.lists(st.floats(1e-6, 20), min_size=1, max_size=200))
def test_the_percentile_is_right_within_a_fifth(seconds):
    tally = Tally()
    for one in seconds:
        tally.add(one)
    exact = sorted(max(1, round(s * 1e6)) for s in seconds)[-(-95 * len(seconds) // 100) - 1]
    assert exact <= tally.percentile(0.95) <= max(exact * 1.19 + 1, exact + 1)
    assert tally.longest == max(max(1, round(s * 1e6)) for s in seconds)


def test_tallies_of_processes_add_up():
    one, other, both = Tally(), Tally(), Tally()
    for tally, times in ((one, (0.001, 0.002)), (other, (0.1,)), (both, (0.001, 0.002, 0.1))):
        for seconds in times:
            tally.add(seconds)
    one.merge(other)
    assert one == both


# --- Sampling --------------------------------------------------------------------------------


@pytest.fixture
def every_request(settings):
    settings.QUERY_SAMPLE = 1


@pytest.mark.django_db
def test_a_request_leaves_its_statements_under_its_route(doctor_client, doctor, every_request):
    patient = PatientFactory(owner=doctor, identifier="MARKED-7")
    doctor_client.get(reverse("patients:detail", args=[patient.pk]))
    doctor_client.post(reverse("patients:search"), {"q": "MARKED-7"})
    sampling.flush()
    rows = StatementTimes.objects.filter(place="GET /patients/<uuid:pk>/")
    assert rows.filter(statement__contains="patients_patient").exists()
    assert StatementTimes.objects.filter(place="POST /patients/search/").exists()
    for row in StatementTimes.objects.all():
        text = row.statement + row.place
        assert "MARKED" not in text
        assert str(patient.pk) not in text
        assert patient.pk.hex not in text
        assert row.count >= 1
        assert 0 < row.mean_us <= row.longest_us
        assert row.p95_us <= row.longest_us <= row.total_us


@pytest.mark.django_db
def test_nothing_is_timed_where_the_share_is_nought(doctor_client, settings):
    settings.QUERY_SAMPLE = 0
    doctor_client.get(reverse("patients:list"))
    sampling.flush()
    assert not StatementTimes.objects.exists()


@pytest.mark.django_db
def test_a_task_leaves_its_statements_under_its_name(every_request):
    wrappers = list(connection.execute_wrappers)
    sampling.begin(task_id="one")
    heartbeat("default")
    sampling.end(task_id="one", task=heartbeat)
    sampling.flush()
    found = StatementTimes.objects.filter(place="operations.tasks.heartbeat")
    assert found.filter(statement__contains="operations_heartbeat").exists()
    assert connection.execute_wrappers == wrappers


def test_the_end_of_answers_and_tasks_is_heard_of():
    """Called directly elsewhere: the signals close the connection that a test lives on."""
    assert any(ref() is sampling.flush_if_due for _id, ref, *_ in request_finished.receivers)
    for signal, function in ((task_prerun, sampling.begin), (task_postrun, sampling.end)):
        assert any(ref() is function for _id, ref in signal.receivers)


@pytest.mark.django_db
def test_what_is_kept_is_written_after_the_answer_and_now_and_then(
    doctor_client, every_request, monkeypatch
):
    doctor_client.get(reverse("patients:list"))
    sampling.flush_if_due()
    assert not StatementTimes.objects.exists()
    monkeypatch.setattr(sampling, "_flushed_at", sampling._flushed_at - sampling.FLUSH_SECONDS - 1)
    sampling.flush_if_due()
    assert StatementTimes.objects.exists()


@pytest.mark.django_db
def test_two_processes_write_into_one_row():
    for seconds in (0.001, 0.004):
        tally = Tally()
        tally.add(seconds)
        services.times_add(found={("SELECT %s", "GET /"): tally})
    row = StatementTimes.objects.get()
    assert (row.count, row.total_us, row.longest_us, row.mean_us) == (2, 5000, 4000, 2500)
    assert sum(row.classes.values()) == 2


@pytest.mark.django_db
def test_the_table_stays_small(monkeypatch):
    monkeypatch.setattr(services, "MOST_ROWS", 5)
    for number in range(8):
        tally = Tally()
        tally.add(0.001)
        services.times_add(found={(f"SELECT a{number}", "GET /"): tally})
    assert StatementTimes.objects.count() == 5
    old = timezone.now() - dt.timedelta(days=services.KEPT_DAYS + 1)
    StatementTimes.objects.update(last_at=old)
    services.times_add(found={("SELECT b", "GET /"): tally})
    assert [row.statement for row in StatementTimes.objects.all()] == ["SELECT b"]


def test_a_process_keeps_a_bounded_number(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_KEPT", 3)
    times = sampling.Times()
    times.taken = [(f"SELECT a{n}", 0.001) for n in range(9)]
    sampling.keep(times, "GET /")
    assert len(sampling._kept) == 3


# --- Plans -----------------------------------------------------------------------------------


def statement_of(queryset) -> str:
    return normal(queryset.query.sql_with_params()[0])


@pytest.mark.django_db
def test_made_up_values_have_the_types_of_their_columns():
    rows = Patient.objects.filter(sex="F", birth_date__gt=dt.date(1950, 1, 1), owner_id=7)[:10]
    found = parameters(statement_of(rows))
    assert sorted(map(str, found)) == sorted(["x", "2000-01-01", "1", "25"])


@pytest.fixture
def many_patients(doctor):
    """As many as make a table large; written at once."""
    Patient.objects.bulk_create(
        PatientFactory.build(owner=doctor, identifier=f"N{n}") for n in range(LARGE + 200)
    )


@pytest.mark.django_db
def test_a_full_scan_of_a_large_table_is_told(many_patients, english):
    plan = explain(statement_of(FULL_SCAN))
    assert plan.problem == ""
    assert plan.rows
    told = " ".join(plan.hints)
    assert "All rows of patients_patient are read" in told
    assert "birth_date" in told
    assert "are sorted" in told


@pytest.mark.django_db
def test_of_a_small_table_nothing_is_told(english):
    assert explain(statement_of(FULL_SCAN)).hints == []


@pytest.mark.django_db
def test_a_look_up_by_key_has_no_hint(many_patients):
    plan = explain(statement_of(Patient.objects.filter(pk=Patient.objects.first().pk)))
    assert (plan.problem, plan.hints) == ("", [])


@pytest.mark.django_db
def test_joins_and_subqueries_are_explained(doctor):
    rows = Radiograph.objects.visible_to(doctor).filter(
        patient__in=Patient.objects.filter(sex="F"), patient__owner__email="a@example.org"
    )
    plan = explain(statement_of(rows.select_related("patient").distinct()))
    assert (plan.problem, bool(plan.rows)) == ("", True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM patients_patient",
        "UPDATE patients_patient SET sex = %s",
        "SELECT 1; DELETE FROM patients_patient",
        "INSERT INTO patients_patient (id) VALUES (%s)",
        "SELECT nothing FROM nowhere",
    ],
)
def test_only_what_reads_is_explained_and_nothing_is_executed(statement, patient_there):
    plan = explain(statement)
    assert plan.problem
    assert not plan.rows
    assert Patient.objects.count() == 1


@pytest.fixture
def patient_there(db):
    return PatientFactory()


# --- The admin -------------------------------------------------------------------------------


@pytest.fixture
def row(db):
    tally = Tally()
    tally.add(0.0123)
    services.times_add(found={(statement_of(FULL_SCAN), "GET /patients/"): tally})
    return StatementTimes.objects.get()


def test_the_list_is_for_whoever_may_view_it(admin_client, client_for, doctor_client, row):
    page = admin_client.get(reverse(LIST))
    assert page.status_code == 200
    assert "12.30\u00a0ms" in page.text
    assert "GET /patients/" in page.text
    assert client_for(AdminFactory(is_superuser=False)).get(reverse(LIST)).status_code == 403
    assert doctor_client.get(reverse(LIST)).status_code in (302, 403)


def test_the_list_costs_the_same_for_many_rows(admin_client, row, django_assert_num_queries):
    with django_assert_num_queries(4):  # session, administrator, capped count, page
        admin_client.get(reverse(LIST))
    for number in range(20):
        services.times_add(found={(f"SELECT a{number}", "GET /"): Tally(1, 5, 5, {"9": 1})})
    with django_assert_num_queries(4):
        admin_client.get(reverse(LIST))


def test_the_plan_is_asked_for(admin_client, row, many_patients):
    address = reverse("admin:operations_statementtimes_change", args=[row.pk])
    assert "All rows of" not in admin_client.get(address).text
    page = admin_client.get(address, {"plan": ""})
    assert "All rows of patients_patient are read" in page.text
    assert admin_client.post(address).status_code == 405


def test_beginning_anew_is_a_post_by_whoever_may_delete(admin_client, client_for, row):
    address = reverse("admin:operations_statementtimes_anew")
    assert admin_client.get(address).status_code == 405
    assert client_for(AdminFactory(is_superuser=False)).post(address).status_code == 403
    assert StatementTimes.objects.exists()
    assert admin_client.post(address).status_code == 302
    assert not StatementTimes.objects.exists()


def test_looking_at_it_is_no_access_to_patients(admin_client, row):
    before = AccessEvent.objects.count()
    admin_client.get(reverse(LIST))
    assert AccessEvent.objects.count() == before
