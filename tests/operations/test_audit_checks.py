"""Anchors of the record of access, its daily verification, and the database's own refusal."""

import json

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from operations import tasks
from operations.audit import triggers
from operations.audit.anchors import anchor_path, anchor_write, anchors_read
from operations.audit.checking import audit_is_whole, check_is_due, check_run
from operations.audit.sealing import events_seal
from operations.audit.verifying import chain_verify
from operations.backup.scratch import scratch_system
from operations.models import AccessEvent, AuditCheck, AuditHead
from tests.operations.audit_site import behind_the_back, record

pytestmark = pytest.mark.django_db
TABLE = "operations_accessevent"


@pytest.fixture
def sealed(doctor):
    """Five events in the chain, and one that waits."""
    record(5, doctor)
    events_seal()
    record(1, doctor)


# --- Anchors ------------------------------------------------------------------------------


def test_the_head_is_anchored_each_hour(doctor, time_machine):
    time_machine.move_to("2030-01-01T12:00:00Z", tick=False)
    record(1), events_seal()
    time_machine.move_to("2030-01-01T12:59:00Z", tick=False)
    record(1), events_seal()
    assert list(anchors_read().chains) == [1]
    time_machine.move_to("2030-01-01T13:00:01Z", tick=False)
    record(1), events_seal()
    assert list(anchors_read().chains) == [1, 3]


def test_an_anchor_of_a_stranger_is_told(sealed):
    line = json.loads(anchor_path().read_text().splitlines()[0])
    anchor_path().write_text(json.dumps(line | {"position": 2}) + "\nnothing\n")
    found = chain_verify()
    assert (found.fault.code, found.fault.params) == ("audit_anchors_unsound", {"count": 2})


def test_an_anchor_kept_elsewhere_finds_a_cut(sealed):
    head = AuditHead.objects.get()
    anchor_path().unlink()
    assert chain_verify(witness={5: head.chain}).fault is None
    assert chain_verify(witness={5: "0" * 64}).fault.code == "audit_link_broken"
    assert chain_verify(witness={7: head.chain}).fault.code == "audit_cut_off"


def test_after_a_restore_what_was_anchored_beyond_counts_no_more(sealed):
    head = AuditHead.objects.get()
    anchor_write(position=900, chain="f" * 64)
    assert chain_verify().fault.code == "audit_cut_off"
    anchor_write(position=head.position, chain=head.chain, restored=True)
    assert chain_verify().fault is None


def test_a_file_that_cannot_be_written_stops_nothing(doctor, settings, tmp_path):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path)  # a folder
    record(1)
    assert events_seal() == 1


# --- The command, the schedule, health ----------------------------------------------------


def test_the_command_says_that_it_is_whole(sealed, run_command):
    status, lines = run_command("verify_audit")
    assert status == 0
    assert lines[0].startswith("6 events, 0 changed, 0 broken, 0 missing, 0 not sealed yet")
    head = AuditHead.objects.get()
    assert lines[1] == f"head\t6:{head.chain}"
    call_command("verify_audit", "--anchor", f"6:{head.chain}")
    with pytest.raises(CommandError, match=r"audit_cut_off: .* ends at position 6"):
        call_command("verify_audit", "--anchor", f"7:{head.chain}")
    with pytest.raises(CommandError, match="an anchor is a position"):
        call_command("verify_audit", "--anchor", "7")


def test_the_command_names_the_first_fault(sealed):
    event = AccessEvent.objects.get(position=3)
    with behind_the_back() as execute:
        execute(f"UPDATE {TABLE} SET object_id = '9' WHERE position >= 3")
    wanted = f"audit_content_changed: Access event {event.pk} .position 3."
    with pytest.raises(CommandError, match=wanted):
        call_command("verify_audit")


def test_once_a_day_it_is_verified(sealed, time_machine):
    time_machine.move_to(timezone.now())
    tasks.audit_seal()
    tasks.audit_verify()
    tasks.audit_verify()
    assert [check.state for check in AuditCheck.objects.all()] == ["passed"]
    time_machine.shift(86401)
    assert check_is_due()
    tasks.audit_verify()
    assert AuditCheck.objects.count() == 2
    assert AuditCheck.objects.first().counts["events"] == 6


def test_a_fault_is_mailed_and_health_says_no(sealed, admin, django_capture_on_commit_callbacks):
    check_run()
    assert audit_is_whole()["ok"]
    assert mail.outbox == []
    with behind_the_back() as execute:
        execute(f"DELETE FROM {TABLE} WHERE position = 2")
    with django_capture_on_commit_callbacks(execute=True):
        check, _found = check_run()
    assert (check.state, check.error_code) == ("failed", "audit_event_missing")
    assert not audit_is_whole()["ok"]
    assert mail.outbox[0].to == [admin.email]
    assert "audit_event_missing" in mail.outbox[0].body


def test_health_says_no_when_nobody_verifies_or_seals(sealed, settings, time_machine):
    time_machine.move_to(timezone.now())
    assert audit_is_whole()["ok"], "a new installation has time"
    time_machine.shift(1000)
    assert not audit_is_whole()["ok"], "one event waits for too long"
    check_run()
    assert audit_is_whole()["ok"]
    time_machine.shift(settings.AUDIT_CHECK_MAX_AGE + 1)
    assert not audit_is_whole()["ok"]


def test_health_of_an_empty_record(db):
    assert audit_is_whole() == {
        "ok": True,
        "last": None,
        "last_seconds": None,
        "waiting_seconds": 0,
    }
    assert not check_is_due()


# --- Triggers -----------------------------------------------------------------------------


@pytest.fixture
def guarded(transactional_db, doctor):
    record(3, doctor)
    events_seal()
    record(1, doctor)
    triggers.install()
    yield
    triggers.remove()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET reason = 'x' WHERE position = 1",
        f"UPDATE {TABLE} SET position = 9 WHERE position = 1",
        f"UPDATE {TABLE} SET position = NULL, chain = '' WHERE position = 1",
        f"UPDATE {TABLE} SET position = 9, actor_id = NULL WHERE position IS NULL",
        f"UPDATE {TABLE} SET reason = 'x' WHERE position IS NULL",
        f"UPDATE {TABLE} SET digest = 'x' WHERE position IS NULL",
        f"DELETE FROM {TABLE} WHERE position = 1",
        f"DELETE FROM {TABLE}",
        f"REPLACE INTO {TABLE} SELECT * FROM {TABLE} WHERE position = 1",
    ],
)
def test_the_database_itself_refuses(guarded, statement):
    assert triggers.present()
    before = list(AccessEvent.objects.values())
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert list(AccessEvent.objects.values()) == before


@pytest.mark.django_db(transaction=True)
def test_the_database_lets_events_in_and_seals_them(guarded):
    record(2)
    assert events_seal() == 3
    assert chain_verify().fault is None


@pytest.mark.django_db(transaction=True)
def test_migrate_puts_the_triggers_there(settings):
    settings.AUDIT_TRIGGERS = True
    try:
        triggers.remove()
        assert not triggers.present()
        triggers.after_migrate(using="default")
        assert triggers.present()
        triggers.after_migrate(using="default")
        assert triggers.present()
    finally:
        triggers.remove()


def test_a_migrated_system_has_the_triggers(settings, tmp_path):
    """As ``migrate`` leaves it, not as a test does."""
    settings.AUDIT_TRIGGERS = True
    with scratch_system(tmp_path) as target:
        assert triggers.present(target.using)


def test_the_time_of_an_event_is_that_of_its_making(doctor):
    before = timezone.now()
    record(1)
    assert before <= AccessEvent.objects.get().at <= timezone.now()
