"""Looking for events in the admin: filters, search, export, and what that costs."""

import csv
import io

import pytest
from django.urls import reverse
from django.utils import timezone

from operations.audit import exporting
from operations.audit.checking import check_run
from operations.audit.sealing import events_seal
from operations.models import AccessEvent
from operations.services import access_record
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.operations.audit_site import behind_the_back
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db
LIST = reverse("admin:operations_accessevent_changelist")
EXPORT = reverse("admin:operations_accessevent_export")


@pytest.fixture
def events(doctor, other_doctor, time_machine):
    """Two doctors, two patients, three days; by name."""
    made, now = {}, timezone.now()

    def record(name: str, day: int, **values) -> None:
        time_machine.move_to(f"2020-03-{day:02}T10:00:00Z", tick=False)
        access_record(**values)
        made[name] = AccessEvent.objects.first()

    mine, theirs = PatientFactory(owner=doctor), PatientFactory(owner=other_doctor)
    radiograph = AnalysisFactory(radiograph__patient=mine).radiograph
    record("seen", 1, actor=doctor, action="read", obj=mine)
    record("sent", 2, actor=doctor, action="create", obj=radiograph, channel="api")
    record("broken", 2, actor=other_doctor, action="read", obj=mine, reason="break_glass:1a")
    record("other", 3, actor=other_doctor, action="update", obj=theirs)
    record("list", 3, actor=doctor, action="read", object_type="patients.patient", object_id="list")
    time_machine.move_to(now, tick=True)  # sessions of today are good
    made["mine"], made["radiograph"] = mine, radiograph
    return made


def found(client, events, **query) -> set[str]:
    """The names of the events that the list shows; it shows no look at itself."""
    shown = {row.pk for row in client.get(LIST, query).context["cl"].result_list}
    return {name for name, event in events.items() if event.pk in shown}


def test_filters(admin_client, events, doctor):
    mine, everything = events["mine"], {"seen", "sent", "broken", "other", "list"}
    for query, wanted in [
        ({}, everything),
        ({"doctor": doctor.email.upper()}, {"seen", "sent", "list"}),
        ({"doctor": "nobody@example.org"}, set()),
        ({"patient": mine.pk}, {"seen", "sent", "broken"}),
        ({"patient": f" {str(mine.pk).upper()} "}, {"seen", "sent", "broken"}),
        ({"patient": "x"}, set()),
        ({"since": "2020-03-02"}, everything - {"seen"}),
        ({"until": "2020-03-01"}, {"seen"}),
        ({"since": "2020-03-02", "until": "2020-03-02"}, {"sent", "broken"}),
        ({"since": "2099-01-01"}, set()),
        ({"until": "1999-01-01"}, set()),
        ({"since": "yesterday"}, set()),
        ({"since": "2020-02-31"}, set()),
        ({"doctor": doctor.email, "patient": mine.pk, "since": "2020-03-02"}, {"sent"}),
        ({"channel__exact": "api"}, {"sent"}),
        ({"action__exact": "update"}, {"other"}),
        ({"why": "break_glass"}, {"broken"}),
        ({"why": "any"}, {"broken"}),
        ({"why": "erasure"}, set()),
        ({"object_type": "radiology.radiograph"}, {"sent"}),
        ({"action__exact": "read", "patient": mine.pk}, {"seen", "broken"}),
    ]:
        assert found(admin_client, events, **query) == wanted, query


def test_search(admin_client, events, doctor):
    mine = events["mine"]
    with behind_the_back() as execute:
        execute(
            "UPDATE operations_accessevent SET request_id = %s WHERE id = %s",
            ["0f9d1b1e-0000-4000-8000-000000000001", events["other"].pk],
        )
    for words, wanted in [
        (doctor.email, {"seen", "sent", "list"}),
        (str(mine.pk), {"seen", "sent", "broken"}),
        (str(events["radiograph"].pk), {"sent"}),
        ("0f9d1b1e-0000-4000-8000-000000000001", {"other"}),
        (str(doctor.pk), set()),
        ("nothing", set()),
    ]:
        assert found(admin_client, events, q=words) == wanted, words


def test_the_form_keeps_what_was_asked(admin_client, events, doctor):
    page = admin_client.get(LIST, {"doctor": doctor.email, "channel__exact": "api"}).text
    assert f'value="{doctor.email}"' in page
    assert '<input type="hidden" name="channel__exact" value="api">' in page
    assert f"{EXPORT}?doctor=" in page


def test_the_list_costs_the_same_for_many(admin_client, django_assert_num_queries):
    def record(number: int) -> None:
        for _ in range(number):
            access_record(actor=DoctorFactory(), action="update", obj=PatientFactory())

    record(3)
    admin_client.get(LIST)  # the look is recorded once in five minutes
    # session, account, the last verification, how many, the rows with their actors
    with django_assert_num_queries(5):
        admin_client.get(LIST)
    record(40)
    with django_assert_num_queries(5):
        admin_client.get(LIST)


def test_the_state_of_the_record_is_shown(admin_client, events):
    assert "has not been verified yet" in admin_client.get(LIST).text
    check_run()
    assert "all as they were recorded" in admin_client.get(LIST).text
    with behind_the_back() as execute:
        execute("UPDATE operations_accessevent SET object_id = '9' WHERE position = 2")
    check, _found = check_run()
    assert check.error_code == "audit_content_changed"
    page = admin_client.get(LIST).text
    assert "The record is not what was recorded." in page
    checks = admin_client.get(reverse("admin:operations_auditcheck_changelist")).text
    assert "(position 2)" in checks


# --- Export -------------------------------------------------------------------------------


def exported(response) -> list[dict]:
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_export_has_what_the_list_shows(admin_client, events, doctor):
    events_seal()
    rows = exported(admin_client.get(EXPORT, {"doctor": doctor.email}))
    assert [row["id"] for row in rows] == [
        str(events[name].pk) for name in ("list", "sent", "seen")
    ]
    sent = AccessEvent.objects.get(pk=events["sent"].pk)
    assert rows[1]["actor_email"] == doctor.email
    assert rows[1]["patient"] == sent.patient
    assert (rows[1]["digest"], rows[1]["chain"]) == (sent.digest, sent.chain)
    assert rows[1]["at"] == sent.at.isoformat()


def test_the_export_is_recorded_each_time_and_before_a_line_leaves(admin_client, admin, events):
    before = AccessEvent.objects.count()
    admin_client.get(EXPORT)
    event = AccessEvent.objects.first()
    assert AccessEvent.objects.count() == before + 1
    assert (event.actor, event.channel) == (admin, "export")
    assert event.object_type == "operations.accessevent"


def test_no_cell_of_it_is_a_formula(admin_client, doctor):
    access_record(
        actor=doctor, action="read", object_type="=cmd|' /C calc'!A0", object_id="@SUM(1)"
    )
    (row,) = [r for r in exported(admin_client.get(EXPORT)) if "cmd" in r["object_type"]]
    assert row["object_type"] == "'=cmd|' /C calc'!A0"
    assert row["object_id"] == "'@SUM(1)"


def test_a_long_export_is_cut_and_says_so(admin_client, events, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 2)
    assert len(exported(admin_client.get(EXPORT))) == 6
    monkeypatch.setattr(exporting, "LIMIT", 4)
    rows = exported(admin_client.get(EXPORT))
    assert len(rows) == 5
    assert rows[-1]["id"] == "Only the newest 4 events are in this file."


def test_it_is_for_those_who_may_see_the_record(client_for, doctor_client, client, events):
    plain = client_for(AdminFactory(is_superuser=False))
    assert plain.get(EXPORT).status_code == 403
    assert doctor_client.get(EXPORT).status_code in (302, 403)
    assert client.get(EXPORT).status_code == 302


def test_a_wrong_filter_is_no_fault(admin_client, events):
    for query in ({"nonsense": "1"}, {"at__gte": "x"}, {"channel__exact": "x" * 300}):
        assert admin_client.get(EXPORT, query).status_code in (200, 302)


def test_days_are_those_of_the_pages(admin_client, doctor, time_machine):
    """Half past eleven at night in Paris is another day in UTC."""
    now = timezone.now()
    time_machine.move_to("2020-03-01T23:30:00Z", tick=False)  # 00:30 on the 2nd in Paris
    access_record(actor=doctor, action="update", object_type="x.y", object_id="1")
    event = {"late": AccessEvent.objects.get()}
    assert timezone.localdate().day == 2
    time_machine.move_to(now, tick=True)
    assert found(admin_client, event, since="2020-03-02", until="2020-03-02") == {"late"}
    assert found(admin_client, event, until="2020-03-01") == set()
