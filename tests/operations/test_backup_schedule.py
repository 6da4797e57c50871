"""When backups and rehearsals are made, who hears of failures, and what health says."""

import datetime as dt
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import checks
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from operations import tasks
from operations.backup import services
from operations.backup.drilling import drill_run
from operations.backup.selectors import backup_is_due, backups_are_kept, drill_is_due
from operations.checks import backup_keys_are_keys, backups_are_configured
from operations.errors import BackupInterruptedError, BackupNotSentError, BackupRunningError
from operations.models import Backup, RestoreDrill
from tests.inference.conftest import other_broker
from tests.operations.backup_site import PLANTED, fill, held, repository_folder, tree

NOON = dt.datetime(2026, 6, 1, 10, 0, tzinfo=dt.UTC)  # 12:00 in Paris


def made(kind: str = "scheduled", **fields) -> Backup:
    fields = {"state": "done", "unfinished": None, "started_at": NOON} | fields
    return Backup.objects.create(kind=kind, **fields)


@pytest.fixture
def noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rows", "due"),
    [
        ([], True),
        ([{"hours": 9}], False),  # 03:00 in Paris
        ([{"hours": 10}], True),  # 02:00, so yesterday's
        ([{"hours": 1, "kind": "by_hand"}], True),
        ([{"hours": 9, "state": "failed", "error_code": "backup_storage_full"}], False),
        ([{"hours": 9, "state": "failed", "error_code": "backup_interrupted"}], True),
        ([{"hours": 9, "state": "failed", "error_code": "backup_interrupted"}] * 3, False),
        ([{"hours": 2}, {"hours": 1, "error_code": "backup_interrupted"}], False),
    ],
)
def test_when_a_backup_is_due(backups, noon, rows, due):
    for row in rows:
        row = dict(row)
        made(started_at=NOON - dt.timedelta(hours=row.pop("hours")), **row)
    assert backup_is_due() is due


@pytest.mark.django_db
def test_nothing_is_due_without_keys(settings, noon):
    settings.BACKUP_KEYS = []
    made()
    assert not backup_is_due()
    assert not drill_is_due()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("days", "state", "due"),
    [(None, None, True), (6, "passed", False), (8, "passed", True), (0.5, "failed", False),
     (2, "failed", True), (0.1, "running", False), (1, "running", True)],
)  # fmt: skip
def test_when_a_rehearsal_is_due(backups, noon, settings, days, state, due):
    assert not drill_is_due()  # There is no backup.
    made()
    if state:
        RestoreDrill.objects.create(state=state, started_at=NOON - dt.timedelta(days=days))
    assert drill_is_due() is due
    settings.BACKUP_DRILL_DAYS = 0
    assert not drill_is_due()
    settings.BACKUP_DRILL_DAYS = 7
    made(unfinished=True, state="running")
    assert not drill_is_due()


@pytest.mark.django_db(transaction=True)
def test_the_minute_makes_a_backup_and_then_proves_it(backups):
    fill()
    tasks.backups_look()
    backup = Backup.objects.get()
    assert (backup.kind, backup.state) == ("scheduled", "queued")
    tasks.backups_look()
    tasks.restore_drill()  # Not while a backup waits.
    assert (Backup.objects.count(), RestoreDrill.objects.count()) == (1, 0)
    tasks.backup(str(backup.pk))
    backup.refresh_from_db()
    assert backup.state == "done"
    tasks.backups_look()
    tasks.restore_drill()
    tasks.restore_drill()
    drill = RestoreDrill.objects.get()
    assert (drill.state, drill.backup) == ("passed", backup.name)
    assert drill.counts["files"] == 4
    assert drill.counts["rows"] == sum(backup.counts["rows"].values())
    tasks.backups_look()
    assert (Backup.objects.count(), RestoreDrill.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_message_that_comes_twice_makes_one_backup(backups):
    backup = services.backup_open(kind="by_hand", state="queued")
    tasks.backup(str(backup.pk))
    tasks.backup(str(backup.pk))
    assert Backup.objects.get().state == "done"
    assert len(services.Repository.configured().manifests()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_is_told_and_nothing_stays_queued(backups, tmp_path, admin):
    with (
        other_broker(f"redis+socket://{tmp_path}/nothing.sock"),
        pytest.raises(BackupNotSentError),
    ):
        services.backup_request(by=admin)
    backup = Backup.objects.get()
    assert (backup.state, backup.unfinished, backup.requested_by) == ("failed", None, admin)


@pytest.mark.django_db
def test_a_backup_without_a_sign_of_life_is_closed_and_told(
    backups, admin, mailoutbox, django_capture_on_commit_callbacks
):
    lost = made(unfinished=True, state="running", seen_at=timezone.now() - services.LOST_AFTER)
    with django_capture_on_commit_callbacks(execute=True):
        services.backups_lost_close()
    lost.refresh_from_db()
    assert (lost.state, lost.error_code, lost.unfinished) == ("failed", "backup_interrupted", None)
    assert len(mailoutbox) == 1
    alive = made(unfinished=True, state="running")
    services.backups_lost_close()
    alive.refresh_from_db()
    assert alive.state == "running"
    with pytest.raises(BackupRunningError):
        services.backup_open(kind="by_hand")


@pytest.mark.django_db(transaction=True)
def test_a_process_that_was_given_up_writes_no_manifest(backups):
    """It may have slept while another backup was made and rotated."""
    backup = services.backup_open(kind="by_hand")
    Backup.objects.filter(pk=backup.pk).update(unfinished=None, state="failed")
    assert services.backup_run(backup=backup) is None
    assert backup.error_code == BackupInterruptedError.code
    assert services.Repository.configured().manifests() == []


@pytest.mark.django_db(transaction=True)
def test_failures_are_mailed_without_a_patients_data(backups, admin, mailoutbox, settings):
    fill()
    for path in Path(django_settings.MEDIA_ROOT).rglob("preview.jpg"):
        path.unlink()
    services.backup_run(backup=services.backup_open(kind="by_hand"))
    (mail,) = mailoutbox
    assert mail.to == [admin.email]
    assert "(backup_files_missing)" in mail.body
    assert not any(planted in mail.body + mail.subject for planted in (*PLANTED, "preview"))
    settings.ADMINS = [("", "operator@example.org")]
    for path in (repository_folder() / "objects").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    drill = drill_run()
    assert (drill.state, drill.error_code) == ("failed", "backup_damaged")
    assert mailoutbox[1].to == ["operator@example.org"]
    assert "(backup_damaged)" in mailoutbox[1].body


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_touches_nothing_that_is_live(backups):
    fill()
    services.backup_run(backup=services.backup_open(kind="by_hand"))
    before = held(), tree(django_settings.MEDIA_ROOT), tree(repository_folder())
    assert drill_run().state == "passed"
    assert before == (held(), tree(django_settings.MEDIA_ROOT), tree(repository_folder()))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rows", "drills", "ok"),
    [
        ([], [], False),
        ([("running", 0)], [], False),
        ([("done", 1)], [], True),
        ([("done", 27)], [], False),
        ([("done", 3), ("failed", 1)], [], False),
        ([("done", 3), ("incomplete", 1)], [], False),
        ([("failed", 3), ("done", 1)], [], True),
        ([("done", 3), ("running", 0)], [], True),
        ([("failed", 3), ("running", 0)], [], False),
        ([("done", 1)], ["passed"], True),
        ([("done", 1)], ["passed", "failed"], False),
        ([("done", 1)], ["failed", "passed"], True),
        ([("done", 1)], ["passed", "running"], True),
    ],
)
def test_what_health_says(backups, rows, drills, ok):
    old_installation()
    for state, hours in rows:
        started = timezone.now() - dt.timedelta(hours=hours)
        made(state=state, started_at=started, unfinished=True if state == "running" else None)
    for state in drills:
        RestoreDrill.objects.create(state=state)
    facts = backups_are_kept()
    assert facts["ok"] is ok
    assert facts["configured"] is True


def old_installation() -> None:
    """Its database could have had a backup for more than a day."""
    MigrationRecorder.Migration.objects.filter(app="operations").update(
        applied=timezone.now() - dt.timedelta(hours=27)
    )


@pytest.mark.django_db
def test_a_new_installation_has_a_day_for_its_first_backup(backups):
    MigrationRecorder.Migration.objects.filter(app="operations").update(applied=timezone.now())
    assert backups_are_kept()["ok"] is True
    failed = made(state="failed", started_at=timezone.now())
    assert backups_are_kept()["ok"] is False
    failed.delete()
    old_installation()
    facts = backups_are_kept()
    assert (facts["ok"], facts["newest_good_seconds"], facts["last"]) == (False, None, None)


@pytest.mark.django_db
def test_health_without_keys_is_ready_and_says_so(settings):
    settings.BACKUP_KEYS = []
    assert backups_are_kept() == {"configured": False}


def test_deployment_is_warned_and_a_wrong_key_is_an_error(settings, backups):
    assert backups_are_configured() == backup_keys_are_keys() == []
    settings.BACKUP_KEYS = []
    assert [message.id for message in backups_are_configured()] == ["operations.W002"]
    assert backup_keys_are_keys() == []
    settings.BACKUP_KEYS = [backups, "slip"]
    (message,) = backup_keys_are_keys()
    assert (message.id, message.level) == ("operations.E003", checks.ERROR)
    assert "slip" not in str(message)


@pytest.mark.django_db(transaction=True)
def test_the_rehearsal_by_hand(backups, run_command):
    with pytest.raises(CommandError, match="backup_not_found: "):
        call_command("restore_drill")
    fill()
    services.backup_run(backup=services.backup_open(kind="by_hand"))
    status, (line,) = run_command("restore_drill")
    assert status == 0
    assert line.split("\t")[1] == "passed"
    assert [drill.state for drill in RestoreDrill.objects.all()] == ["passed", "failed"]
