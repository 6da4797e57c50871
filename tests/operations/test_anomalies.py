"""What stands out in the record of access, and what does not."""

import datetime as dt
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from operations import tasks
from operations.audit.anomalies import WINDOW, anomalies_find
from operations.models import AccessEvent, Anomaly
from pneumoniapp.settings import environment
from tests.accounts.factories import AdminFactory

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 6, 10, 10, 30, tzinfo=dt.UTC)  # 12:30 in Paris
LIST = reverse("admin:operations_anomaly_changelist")


@pytest.fixture(autouse=True)
def thresholds(settings, time_machine):
    time_machine.move_to(NOON, tick=False)
    settings.ANOMALY_PATIENTS_PER_HOUR = 3
    settings.ANOMALY_ROWS_PER_HOUR = 100
    settings.ANOMALY_REFUSALS_PER_HOUR = 3
    settings.ANOMALY_LOGINS_PER_HOUR = 3
    settings.ANOMALY_HOURS = (6, 22)


def events(number: int, *, at: dt.datetime = NOON, **values) -> None:
    values = {"action": "read", "object_type": "patients.patient", "channel": "page"} | values
    AccessEvent.objects.bulk_create(
        AccessEvent(at=at, **{"object_id": str(n), "patient": str(uuid.uuid4())} | values)
        for n in range(number)
    )


def found() -> list[tuple]:
    anomalies_find()
    rows = Anomaly.objects.order_by("kind", "hour", "pk")
    return [(row.kind, row.actor_id or row.address, row.count) for row in rows]


def test_many_patients_in_an_hour(doctor, other_doctor):
    events(3, actor=other_doctor)
    events(4, actor=doctor)
    events(9, actor=doctor, patient=str(uuid.uuid4()), at=NOON - dt.timedelta(hours=2))
    assert found() == [("patients", doctor.pk, 4)]
    assert Anomaly.objects.get().hour == NOON.replace(minute=0)


def test_many_rows_of_lists(doctor, other_doctor):
    events(4, actor=doctor, object_id="list", patient="", count=26)
    events(4, actor=other_doctor, object_id="list", patient="", count=25)
    assert found() == [("rows", doctor.pk, 104)]


def test_many_refusals_by_one_account_or_address(doctor, other_doctor):
    refused = {"action": "refused", "object_type": "refusal.404", "patient": ""}
    events(4, actor=doctor, address="192.0.2.1", **refused)
    events(2, actor=other_doctor, address="192.0.2.2", **refused)
    events(2, actor=None, address="192.0.2.2", **refused)
    assert sorted(found(), key=str) == [
        ("refusals", "192.0.2.1", 4),
        ("refusals", "192.0.2.2", 4),
        ("refusals", doctor.pk, 4),
    ]


def test_failed_logins_to_one_account_from_everywhere(doctor, other_doctor):
    refused = {"action": "refused", "object_type": "refusal.login", "patient": ""}
    for number in range(4):
        address = f"192.0.2.{number}"
        events(1, actor=None, address=address, **refused | {"object_id": str(doctor.pk)})
        events(1, actor=None, address=address, **refused | {"object_id": "-"})
    events(3, actor=None, address="192.0.2.9", **refused | {"object_id": str(other_doctor.pk)})
    assert found() == [("logins", doctor.pk, 4)]


def test_every_use_of_emergency_access(doctor, other_doctor):
    events(1, actor=doctor, reason="break_glass:1a")
    events(2, actor=doctor, reason="break_glass")
    events(1, actor=other_doctor, reason="adjudication")
    assert found() == [("break_glass", doctor.pk, 3)]


@pytest.mark.parametrize(
    ("hour_utc", "stands_out"),
    [(1, True), (3, True), (4, False), (19, False), (20, True), (22, True)],
)
def test_unusual_hours_are_local(doctor, time_machine, hour_utc, stands_out):
    """From 6 to 22 in Paris, two hours ahead in June."""
    at = NOON.replace(hour=hour_utc)
    time_machine.move_to(at + dt.timedelta(minutes=5), tick=False)
    events(1, actor=doctor, at=at)
    assert found() == ([("hours", doctor.pk, 1)] if stands_out else [])


@pytest.mark.parametrize(("days", "stands_out"), [(2, True), (3, False)])
def test_who_usually_works_at_night_does_not_stand_out(doctor, time_machine, days, stands_out):
    night = NOON.replace(hour=1)
    time_machine.move_to(night + dt.timedelta(minutes=5), tick=False)
    for day in range(1, days + 1):
        events(1, actor=doctor, at=night - dt.timedelta(days=day + 2))
    events(5, actor=doctor, at=night - dt.timedelta(days=40))
    events(3, actor=doctor, at=night)
    assert found() == ([("hours", doctor.pk, 3)] if stands_out else [])


def test_hours_may_go_over_midnight(doctor, settings, time_machine):
    settings.ANOMALY_HOURS = (20, 6)
    events(1, actor=doctor)
    assert found() == [("hours", doctor.pk, 1)]
    night = NOON.replace(hour=1)
    time_machine.move_to(night, tick=False)
    events(1, actor=doctor, at=night)
    assert len(found()) == 1


def test_what_grows_is_corrected_and_is_to_be_seen_again(doctor, admin):
    events(4, actor=doctor)
    assert anomalies_find() == 1
    assert anomalies_find() == 0
    Anomaly.objects.update(seen_by=admin, seen_at=NOON)
    tasks.anomalies_look()
    assert Anomaly.objects.get().seen_by == admin
    events(2, actor=doctor)
    assert anomalies_find() == 0
    row = Anomaly.objects.get()
    assert (row.count, row.seen_at, row.seen_by) == (6, None, None)


def test_what_is_long_ago_is_not_looked_at(doctor, django_assert_num_queries):
    events(9, actor=doctor, at=NOON - WINDOW - dt.timedelta(minutes=1))
    assert found() == []


def test_it_costs_the_same_for_many_accounts(doctor, other_doctor, django_assert_num_queries):
    events(4, actor=doctor)
    with django_assert_num_queries(11):
        anomalies_find()
    Anomaly.objects.all().delete()
    events(40, actor=other_doctor)
    events(40, actor=AdminFactory())
    with django_assert_num_queries(11):
        assert anomalies_find() == 3


# --- The admin ----------------------------------------------------------------------------


def test_the_list_leads_to_the_events(admin_client, doctor, time_machine):
    time_machine.move_to(dt.datetime.now(dt.UTC))
    events(4, actor=doctor, at=dt.datetime.now(dt.UTC))
    refused = {"action": "refused", "object_type": "refusal.login", "object_id": str(doctor.pk)}
    events(4, actor=None, address="192.0.2.7", at=dt.datetime.now(dt.UTC), **refused)
    anomalies_find()
    page = admin_client.get(LIST)
    rows = {row.kind: row for row in page.context["cl"].result_list}
    assert {"patients", "logins", "refusals"} <= set(rows)
    for kind in ("patients", "logins", "refusals"):
        link = page.context["cl"].model_admin.events(rows[kind]).split('"')[1]
        shown = admin_client.get(link.replace("&amp;", "&")).context["cl"].result_list
        assert len(shown) == 4, kind


def test_who_may_says_that_it_was_seen(admin_client, admin, client_for, doctor):
    events(4, actor=doctor)
    anomalies_find()
    row = Anomaly.objects.get()
    query = {"action": "see", "_selected_action": row.pk}
    plain = AdminFactory(is_superuser=False)
    client_for(plain).post(LIST, query)
    row.refresh_from_db()
    assert row.seen_by is None
    admin_client.post(LIST, query)
    row.refresh_from_db()
    assert row.seen_by == admin
    event = AccessEvent.objects.get(action="update", object_type="operations.anomaly")
    assert (event.actor, event.object_id) == (admin, str(row.pk))
    assert admin_client.get(LIST, {"seen": "no"}).context["cl"].result_count == 0
    assert admin_client.get(LIST, {"seen": "yes"}).context["cl"].result_count == 1


def test_the_list_costs_the_same_for_many(admin_client, doctor, django_assert_num_queries):
    def made(number: int, kind: str) -> None:
        for n in range(number):
            hour = NOON - dt.timedelta(hours=n)
            Anomaly.objects.create(key=f"{kind}{n}", kind=kind, hour=hour, actor=doctor, count=9)

    made(2, "patients")
    with django_assert_num_queries(4):  # session, account, how many, rows
        admin_client.get(LIST)
    made(30, "rows")
    with django_assert_num_queries(4):
        admin_client.get(LIST)


@pytest.mark.parametrize(
    ("text", "wanted"), [("6-22", (6, 22)), (" 20 - 6 ", (20, 6)), ("0-24", (0, 24))]
)
def test_the_hours_of_the_house(text, wanted):
    assert environment.hours("ANOMALY_HOURS", text) == wanted


@pytest.mark.parametrize("text", ["", "6", "six-ten", "6-25", "-6-22"])
def test_hours_that_are_none_stop_the_program(text):
    with pytest.raises(ImproperlyConfigured, match="ANOMALY_HOURS"):
        environment.hours("ANOMALY_HOURS", text)
