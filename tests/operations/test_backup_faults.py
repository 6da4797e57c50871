"""Damage, wrong keys, full disks, killed processes: told by a code, and nothing live is touched."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command

from operations.backup import making
from operations.backup.keys import new_key
from operations.backup.repository import Repository
from operations.backup.restoring import backup_restore
from operations.models import Backup
from radiology.models import Radiograph
from tests.operations.backup_site import empty_target, fill, held, repository_folder, tree

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("english")]


def quiet(*_progress) -> None:
    pass


@pytest.fixture
def backed_up(backups, run_command) -> Path:
    """A system with a backup; the repository's folder."""
    fill()
    assert run_command("backup")[0] == 0
    return repository_folder()


def check_refused(code: str) -> None:
    """Restoring the backup fails with ``code`` and leaves the empty target empty."""
    live = held(), tree(django_settings.MEDIA_ROOT)
    repository = Repository.configured()
    with empty_target() as target:
        empty = held(target.using)
        with pytest.raises(Exception) as fault:
            backup_restore(repository, repository.manifests()[0], target=target, progress=quiet)
        assert getattr(fault.value, "code", fault.value) == code
        assert held(target.using) == empty
        assert tree(target.files.location) == tree(target.model_root) == {}
    assert live == (held(), tree(django_settings.MEDIA_ROOT))


def largest(folder: Path) -> Path:
    return max(
        (path for path in (folder / "objects").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0, 7, 20, 50, -1], ids=["magic", "key", "salt", "text", "tag"])
def test_one_flipped_bit_is_found(backed_up, at):
    flip(largest(backed_up), at)
    check_refused("backup_key_unknown" if at == 7 else "backup_damaged")


@pytest.mark.parametrize("left", [0, 10, 45, 60, -1])
def test_a_cut_part_is_found(backed_up, left):
    path = largest(backed_up)
    path.write_bytes(path.read_bytes()[:left])
    check_refused("backup_damaged")


def test_a_part_with_something_behind_it_is_found(backed_up):
    path = largest(backed_up)
    path.write_bytes(path.read_bytes() + b"x")
    check_refused("backup_damaged")


def test_a_part_in_the_place_of_another_is_found(backed_up):
    one, other = sorted(path for path in (backed_up / "objects").rglob("*") if path.is_file())[:2]
    one.write_bytes(other.read_bytes())
    check_refused("backup_damaged")


def test_a_missing_part_is_named(backed_up):
    largest(backed_up).unlink()
    check_refused("backup_part_missing")


@pytest.mark.parametrize("fault", ["flip", "cut", "rename"])
def test_a_manifest_that_is_not_its_own_is_refused(backed_up, fault):
    (path,) = (backed_up / "manifests").iterdir()
    if fault == "flip":
        flip(path, 100)
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:  # An old backup passed off as a newer one.
        path.rename(path.with_name("20990101T000000.000000Z-aaaaaa"))
    check_refused("backup_damaged")


def test_the_wrong_key_is_told(backed_up, settings):
    settings.BACKUP_KEYS = [new_key()]
    check_refused("backup_key_unknown")


def test_damage_is_mended_by_a_backup_of_everything(backed_up, run_command):
    flip(largest(backed_up), 50)
    run_command("backup")
    check_refused("backup_damaged")  # It has not read what was unchanged.
    assert run_command("backup", "--anew")[0] == 0
    repository = Repository.configured()
    with empty_target() as target:
        backup_restore(repository, repository.manifests()[0], target=target, progress=quiet)
        assert held(target.using) == held()


def test_a_part_of_another_length_is_written_again(backed_up, run_command):
    path = largest(backed_up)
    path.write_bytes(path.read_bytes()[:-1])
    assert run_command("backup")[0] == 0
    repository = Repository.configured()
    with empty_target() as target:
        backup_restore(repository, repository.manifests()[0], target=target, progress=quiet)


class FullStorage(FileSystemStorage):
    """As S3: no folder, and no room for anything from the given save on."""

    room = 3

    def path(self, name):
        raise NotImplementedError

    def _save(self, name, content):
        FullStorage.room -= 1
        if FullStorage.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._put(name, content)
        return name

    def _put(self, name, content):
        path = Path(self.base_location) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())

    def _inside(self, name):
        return str(Path(self.base_location) / name)

    def exists(self, name):
        return Path(self._inside(name)).exists()

    def listdir(self, name):
        root = Path(self._inside(name))
        entries = list(root.iterdir())
        return [e.name for e in entries if e.is_dir()], [e.name for e in entries if e.is_file()]

    def size(self, name):
        return Path(self._inside(name)).stat().st_size

    def get_modified_time(self, name):
        return FileSystemStorage(location=self.base_location).get_modified_time(name)

    def delete(self, name):
        Path(self._inside(name)).unlink(missing_ok=True)

    def _open(self, name, mode="rb"):
        return FileSystemStorage(location=self.base_location)._open(name, mode)


def test_a_full_storage_fails_the_backup_and_keeps_the_earlier(backed_up, settings, run_command):
    before = run_command("backups")[1]
    Radiograph.objects.update(warnings=[{"code": "view_unknown"}])
    Path(django_settings.MODEL_ROOT, "net-1", "weights.bin").write_bytes(os.urandom(9000))
    options = {"location": str(backed_up)}
    settings.STORAGES = settings.STORAGES | {
        "backups": {"BACKEND": f"{__name__}.FullStorage", "OPTIONS": options}
    }
    FullStorage.room = 1
    with pytest.raises(CommandError, match=r"^backup_storage_full: The storage"):
        call_command("backup")
    backup = Backup.objects.first()
    assert (backup.state, backup.error_code) == ("failed", "backup_storage_full")
    assert run_command("backups")[1] == before
    FullStorage.room = 1000
    assert run_command("backup")[0] == 0


def test_a_disk_that_takes_no_more_fails_the_backup(backups, run_command, small_disk):
    fill()
    Path(django_settings.MODEL_ROOT, "net-1", "weights.bin").write_bytes(os.urandom(2_799_990))
    with pytest.raises(CommandError, match="backup_storage_full"):
        call_command("backup")
    assert run_command("backups")[1] == []
    assert not (repository_folder() / "tmp").exists()


def test_a_disk_that_takes_no_more_undoes_the_restore(backups, run_command, request):
    fill()
    Path(django_settings.MODEL_ROOT, "net-1", "weights.bin").write_bytes(bytes(2_900_000))
    assert run_command("backup")[0] == 0
    request.getfixturevalue("small_disk")
    check_refused("restore_storage_failed")


def test_files_that_fail_are_listed_one_by_one(backups, fail_storage, run_command):
    fill()
    fail_storage()
    status, lines = run_command("backup")
    assert status == 1
    assert sum(line.startswith("unreadable\t") for line in lines) == 4
    assert Backup.objects.get().counts["missing"] == 4


def test_an_unforeseen_fault_is_on_the_row(backups, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("PLANTED")

    monkeypatch.setattr(making, "applied_migrations", fail)
    with pytest.raises(CommandError, match="unexpected_error"):
        call_command("backup")
    backup = Backup.objects.get()
    assert (backup.state, backup.unfinished) == ("failed", None)


def test_a_backup_that_is_told_to_stop_closes_its_row(backups, monkeypatch):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "applied_migrations", stop)
    with pytest.raises(KeyboardInterrupt):
        call_command("backup")
    assert Backup.objects.get().error_code == "backup_interrupted"


def test_a_killed_backup_leaves_nothing_that_looks_whole(backups, settings, run_command):
    """A process is killed in the middle of writing its third object."""
    fill()
    run_command("backup")
    names, objects = run_command("backups")[1], Repository.configured().objects()
    program = """
import os, sys
import django; django.setup()
from operations.backup.repository import Repository
repository = Repository.configured()
known = {}
for number in range(3):
    def pieces():
        yield os.urandom(1024 * 1024)
        yield os.urandom(1024 * 1024)
        if number == 2:
            sys.stdout.write("writing\\n"); sys.stdout.flush()
            os.kill(os.getpid(), 9)
    repository.add(pieces(), known)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {
            "BACKUP_KEYS": backups,
            "BACKUP_ROOT": str(repository_folder()),
            "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test",
        },
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "writing\n"), done.stderr
    assert run_command("backups")[1] == names
    repository = Repository.configured()
    added = set(repository.objects()) - set(objects)
    assert len(added) == 2
    for name in added:
        assert len(repository.read_whole(name)) == 2 * 1024 * 1024
    assert len(list((repository_folder() / "tmp").iterdir())) == 1
    assert run_command("backup")[0] == 0


def test_an_interrupted_restore_removes_what_it_wrote(backed_up, monkeypatch):
    from operations.backup import restoring

    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "_check_rows", stop)
    repository = Repository.configured()
    with empty_target() as target:
        empty = held(target.using)
        with pytest.raises(KeyboardInterrupt):
            backup_restore(repository, repository.manifests()[0], target=target, progress=quiet)
        assert held(target.using) == empty
        assert tree(target.files.location) == {}
        assert not any(Path(target.files.location).iterdir())


def test_rows_that_differ_from_the_manifest_undo_the_restore(backed_up):
    """A manifest that lies, as a faulty program would write it."""
    repository = Repository.configured()
    (name,) = repository.manifests()
    manifest = repository.manifest_read(name)
    for table in manifest["tables"]:
        if table["model"] == "patients.patient":
            table["digest"] = "0" * 64
    repository.manifest_write(name, manifest)
    check_refused("restore_differs")


def test_a_row_that_points_to_nothing_undoes_the_restore(backed_up):
    repository = Repository.configured()
    (name,) = repository.manifests()
    manifest = repository.manifest_read(name)
    for table in manifest["tables"]:
        if table["model"] == "patients.patient":
            table.update(parts=[], rows=0, digest="0" * 64)
    repository.manifest_write(name, manifest)
    check_refused("restore_database_refused")
