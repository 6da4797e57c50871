"""Which backups stay, what is removed with the others, and who may remove."""

import datetime as dt
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from operations.backup.repository import Repository
from operations.backup.restoring import backup_restore
from operations.backup.rotating import Known, backups_kept
from operations.models import Backup
from radiology.models import Radiograph
from tests.operations.backup_site import empty_target, fill, held, repository_folder

START = dt.datetime(2026, 1, 1, 1, 30, tzinfo=dt.UTC)


def daily(days: int, *, incomplete: tuple[int, ...] = ()) -> list[Known]:
    return [
        Known(f"{day:03}", START + dt.timedelta(days=day), day not in incomplete)
        for day in range(days)
    ]


def test_a_year_of_days_weeks_and_months():
    kept = sorted(backups_kept(daily(365), (7, 4, 12)))
    days = [START + dt.timedelta(days=int(name)) for name in kept]
    assert len(kept) == 7 + 2 + 11  # two of the weeks, one month end on the last days
    assert kept[-7:] == [f"{day:03}" for day in range(358, 365)]
    # The newest of each month.
    assert {(day.month, day.day) for day in days} >= {(1, 31), (2, 28), (11, 30)}


@pytest.mark.parametrize(
    ("backups", "keep", "kept"),
    [
        ([], (7, 4, 12), set()),
        (daily(1), (0, 0, 0), {"000"}),
        (daily(5), (0, 0, 0), {"004"}),
        (daily(5, incomplete=(4,)), (0, 0, 0), {"003", "004"}),
        (daily(5, incomplete=(0, 1, 2, 3, 4)), (2, 0, 0), {"000", "001", "002", "003", "004"}),
        (daily(5), (2, 0, 0), {"003", "004"}),
        (daily(5, incomplete=(0, 1, 3)), (2, 0, 0), {"003", "004"}),
        # Days without a backup don't count.
        ([*daily(2), Known("x", START + dt.timedelta(days=90), True)], (2, 0, 0), {"001", "x"}),
    ],
)
def test_which_are_kept(backups, keep, kept):
    assert backups_kept(backups, keep) == kept


def test_the_complete_one_of_a_day_is_kept():
    hours = [
        Known("a", START, True),
        Known("b", START + dt.timedelta(hours=1), False),
        Known("c", START + dt.timedelta(days=2), True),
    ]
    assert backups_kept(hours, (7, 4, 12)) == {"a", "c"}
    # Nothing goes within a day: a backup by hand, before something risky, stays.
    assert backups_kept(hours[:2], (0, 0, 0)) == {"a", "b"}


def back_up(run_command, day: int) -> None:
    with time_machine.travel(START + dt.timedelta(days=day), tick=False):
        assert run_command("backup")[0] == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_referenced_stays_and_the_rest_goes(backups, settings, run_command):
    settings.BACKUP_KEEP = (2, 0, 0)
    fill()
    back_up(run_command, 0)
    path = Radiograph.objects.exclude(preview="").get().preview.path
    for day in (1, 2, 3):
        Path(path).write_bytes(f"preview of day {day}".encode() * day)
        back_up(run_command, day)
    assert [backup.counts["rotation"]["backups"] for backup in Backup.objects.all()] == [1, 1, 0, 0]
    repository = Repository.configured()
    names = repository.manifests()
    assert len(names) == 2
    # Both are whole, and nothing else is there.
    needed = set()
    for name in names:
        manifest = repository.manifest_read(name)
        for table in manifest["tables"]:
            needed.update(table["parts"])
        for area in ("files", "models"):
            needed.update(manifest[area]["index"])
        with empty_target() as target:
            backup_restore(repository, name, target=target, progress=lambda *_: None)
            if name == names[0]:
                assert held(target.using) == held()
    assert needed < set(repository.objects())
    # Files: two radiographs, a map, two previews; the model's.
    assert len(repository.objects()) == len(needed) + 6


@pytest.mark.django_db(transaction=True)
def test_an_unreadable_backup_stops_the_rotation_and_nothing_is_removed(
    backups, settings, run_command
):
    settings.BACKUP_KEEP = (1, 0, 0)
    fill()
    back_up(run_command, 0)
    (manifest,) = (repository_folder() / "manifests").iterdir()
    manifest.write_bytes(manifest.read_bytes()[:-1])
    before = set(Repository.configured().objects())
    back_up(run_command, 1)
    back_up(run_command, 2)
    backup = Backup.objects.first()
    assert backup.state == "done"
    assert backup.counts["rotation"]["error_code"] == "backup_damaged"
    repository = Repository.configured()
    assert len(repository.manifests()) == 3
    assert before <= set(repository.objects())
    # Until somebody takes it away.
    assert run_command("backups", "--remove", manifest.name)[1] == [f"{manifest.name} removed."]
    back_up(run_command, 3)
    assert len(repository.manifests()) == 1


@pytest.mark.django_db
def test_nothing_is_removed_while_a_backup_is_made(backups):
    with pytest.raises(CommandError, match="backup_not_found"):
        call_command("backups", "--remove", "nothing")
    Backup.objects.create(state="running", kind="by_hand")
    with pytest.raises(CommandError, match="backup_running"):
        call_command("backups", "--remove", "nothing")


@pytest.mark.django_db(transaction=True)
def test_old_leftovers_of_killed_processes_go(backups, run_command):
    fill()
    tmp = repository_folder() / "tmp"
    tmp.mkdir()
    (tmp / "half").write_bytes(b"half")
    run_command("backup")
    assert (tmp / "half").exists()  # Perhaps somebody writes it.
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=2), tick=False):
        run_command("backup")
    assert not tmp.exists() or not list(tmp.iterdir())
