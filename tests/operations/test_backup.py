"""A backup and its restoration, whole: command line, both engines, what is new and what is not."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import FileField

from inference.models import Analysis
from operations.backup.dump import tables
from operations.backup.keys import new_key
from operations.backup.repository import Repository
from operations.backup.services import backup_open, backup_run
from operations.models import AccessEvent, Backup
from patients.models import Patient
from radiology.models import Radiograph
from tests.operations.backup_site import PLANTED, fill, held, repository_folder, tree

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("english")]


def empty_system() -> None:
    """As `migrate` leaves a new installation: no rows, no files."""
    call_command("flush", interactive=False, verbosity=0)
    for folder in (Path(django_settings.MEDIA_ROOT), Path(django_settings.MODEL_ROOT)):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_everything_comes_back_as_it_was(backups, run_command):
    fill()
    before = held(), tree(django_settings.MEDIA_ROOT), tree(django_settings.MODEL_ROOT)
    status, lines = run_command("backup")
    assert status == 0
    assert re.match(
        r"\d{8}T\d{6}\.\d{6}Z-\w{6}\tdone\t\d+ rows, 4 files, 1 model files\t", lines[0]
    )
    backup = Backup.objects.get()
    assert (backup.state, backup.error_code, backup.unfinished) == ("done", "", None)
    assert backup.counts["files"] == 4
    assert backup.bytes_total > backup.bytes_new > 0

    empty_system()
    assert not Patient.objects.exists()
    assert run_command("backups")[1][0].startswith(f"{backup.name}\tcomplete\t")
    status, lines = run_command("restore", "latest")
    assert (status, len(lines)) == (0, 1)
    assert lines[0].startswith(f"{backup.name} restored and verified: ")
    assert before == (
        held(),
        tree(django_settings.MEDIA_ROOT),
        tree(django_settings.MODEL_ROOT),
    )
    assert run_command("storage_check")[1][-1].endswith("0 missing.")
    # Microseconds and what a field would set anew are as they were; the database's own
    # column is there, and the next row gets a key of its own.
    assert Analysis.objects.filter(urgency__isnull=False).count() == 2
    assert AccessEvent.objects.create(action="read", object_type="x", object_id="y").pk
    Radiograph.objects.first().patient.owner.check_password("correct horse battery")


def test_nothing_can_be_read_without_the_key(backups, run_command):
    fill()
    run_command("backup")
    everything = b"".join(
        name.encode() + content for name, content in tree(repository_folder()).items()
    )
    radiograph = Radiograph.objects.first()
    secrets = [*PLANTED, radiograph.sop_instance_uid, str(radiograph.pk), "preview.jpg", backups]
    for secret in secrets:
        assert secret.encode() not in everything
    assert base64.urlsafe_b64decode(backups + "=") not in everything
    with radiograph.file.open() as file:
        assert file.read(4096)[-64:] not in everything


def test_the_second_backup_costs_what_is_new(backups, run_command):
    fill()
    run_command("backup")
    first = Backup.objects.get()
    run_command("backup")
    second = Backup.objects.first()
    # The manifest, and the record of the backups.
    assert second.objects_new == 1
    assert 0 < second.bytes_new < first.bytes_new / 2
    assert second.objects_total == first.objects_total

    radiograph = Radiograph.objects.first()
    radiograph.file.storage.save("radiographs/aa/new.jpg", ContentFile(os.urandom(5000)))
    Radiograph.objects.filter(pk=radiograph.pk).update(preview="radiographs/aa/new.jpg")
    run_command("backup")
    third = Backup.objects.first()
    # The file, the table that names it, the index, the record of the backups.
    assert third.objects_new == 4
    assert second.bytes_new + 5000 < third.bytes_new < second.bytes_new + 15_000


def test_a_file_that_changed_is_read_again(backups, run_command):
    fill()
    run_command("backup")
    path = Path(Radiograph.objects.exclude(preview="").get().preview.path)
    path.write_bytes(b"PREVIEW")
    os.utime(path, (1, 1))
    run_command("backup")
    wanted = tree(django_settings.MEDIA_ROOT)
    empty_system()
    run_command("restore", "latest")
    assert tree(django_settings.MEDIA_ROOT) == wanted


def test_a_missing_file_is_told_and_the_rest_is_kept(backups, run_command):
    fill()
    radiograph = Radiograph.objects.exclude(preview="").get()
    Path(radiograph.preview.path).unlink()
    before = held()
    status, lines = run_command("backup")
    assert status == 1
    name = radiograph.preview.name
    assert lines[1] == f"missing\t{name}\tradiology.radiograph {radiograph.pk}\tpreview"
    backup = Backup.objects.get()
    assert (backup.state, backup.error_code) == ("incomplete", "backup_files_missing")
    assert backup.error.startswith("1 files that the database names could not be read")
    assert "\tincomplete\t" in run_command("backups")[1][0]
    empty_system()
    status, lines = run_command("restore", "latest")
    assert lines[0].startswith(f"missing\t{name}")
    assert held() == before


def test_a_file_that_goes_with_its_row_meanwhile_is_no_fault(backups, run_command):
    fill()
    gone = Analysis.objects.exclude(map="").get()

    def delete(step, _done, _total):
        if step == "files" and Path(gone.map.path).exists():
            Analysis.objects.filter(pk=gone.pk).delete()
            Path(gone.map.path).unlink()

    made = backup_run(backup=backup_open(kind="by_hand"), progress=delete)
    assert (made.missing, [file["name"] for file in made.gone]) == ([], [gone.map.name])
    assert Backup.objects.get().state == "done"
    empty_system()
    _status, lines = run_command("restore", "latest")
    assert lines[0].startswith(f"deleted meanwhile\t{gone.map.name}")
    assert Analysis.objects.get(pk=gone.pk).map.name == gone.map.name


def test_every_file_lies_in_the_default_storage():
    """What a backup reads from and a restore writes to."""
    found = [
        field.storage
        for model in tables()
        for field in model._meta.local_fields
        if isinstance(field, FileField)
    ]
    assert len(found) >= 4
    assert all(storage is default_storage for storage in found)


def test_only_an_empty_system_is_restored_into(backups, run_command):
    fill()
    run_command("backup")
    before = held(), tree(django_settings.MEDIA_ROOT)
    with pytest.raises(CommandError, match=r"restore_not_empty: .*patients.patient"):
        call_command("restore", "latest")
    assert before == (held(), tree(django_settings.MEDIA_ROOT))


def test_a_backup_of_another_version_is_refused(backups, run_command):
    fill()
    run_command("backup")
    empty_system()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app='patients'")
        with pytest.raises(CommandError, match=r"restore_other_version: .*first is patients\."):
            call_command("restore", "latest")
        transaction.set_rollback(True)


def test_a_file_with_another_content_is_in_the_way(backups, run_command):
    fill()
    run_command("backup")
    radiograph = Radiograph.objects.first()
    content = Path(radiograph.file.path).read_bytes()
    path = Path(radiograph.file.path)
    empty_system()
    empty = held()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    with pytest.raises(CommandError, match="restore_file_in_the_way"):
        call_command("restore", "latest")
    assert held() == empty
    assert tree(django_settings.MEDIA_ROOT) == {radiograph.file.name: b"another"}
    assert tree(django_settings.MODEL_ROOT) == {}
    # The same content may be there: a disk that survived, or a restore that was killed.
    path.write_bytes(content)
    run_command("restore", "latest")
    assert Radiograph.objects.count() == 2


def test_keys_are_changed_by_putting_the_new_one_first(backups, run_command, settings):
    fill()
    run_command("backup")
    wanted = held()
    settings.BACKUP_KEYS = [new_key(), backups]
    run_command("backup")
    first, second = (
        Repository.configured().manifest_read(backup.name) for backup in Backup.objects.all()
    )
    assert first["keys"] != second["keys"]
    # Without the old key the new backup can be read and the old one can't.
    settings.BACKUP_KEYS = settings.BACKUP_KEYS[:1]
    newest, oldest = run_command("backups")[1]
    assert "\tcomplete\t" in newest
    assert "\tunreadable\t" in oldest
    assert "\tbackup_key_unknown: " in oldest
    empty_system()
    with pytest.raises(CommandError, match="backup_key_unknown"):
        call_command("restore", oldest.partition("\t")[0])
    run_command("restore", "latest")
    assert held() == wanted


def test_without_keys_there_are_no_backups(settings):
    settings.BACKUP_KEYS = []
    for command in (["backup"], ["backups"], ["restore", "latest"]):
        with pytest.raises(CommandError, match="BACKUP_KEYS is not set"):
            call_command(*command)
    assert not Backup.objects.exists()


@pytest.mark.parametrize("key", ["short", "é" * 43, "A" * 44, "?" * 43])
def test_a_key_that_is_none_is_named_by_its_number_alone(settings, key):
    settings.BACKUP_KEYS = [new_key(), key]
    with pytest.raises(CommandError) as fault:
        call_command("backup")
    assert "Key number 2" in str(fault.value)
    assert key not in str(fault.value)


def test_a_new_key_works(settings, backups, run_command):
    settings.BACKUP_KEYS = run_command("backup", "--new-key")[1]
    assert run_command("backup")[0] == 0


def test_names_that_are_none(backups, run_command):
    for name in ("latest", "20260101T000000Z-aaaaaa", "../objects", ""):
        with pytest.raises(CommandError, match="backup_not_found"):
            call_command("restore", name)
    assert run_command("backups") == (0, [])


def test_one_backup_at_a_time(backups, run_command):
    Backup.objects.create(state="running", kind="by_hand")
    with pytest.raises(CommandError, match="A backup is being made already"):
        call_command("backup")


def test_a_large_file_passes_through_little_memory(backups, tmp_path):
    """In a process of its own: 400 MB of noise pass, the peak of memory hardly moves."""
    program = """
import os, resource, sys
from pathlib import Path
from django.core.files.storage import FileSystemStorage
import django; django.setup()
from operations.backup.dump import tables
from operations.backup.keys import Keyring
from operations.backup.repository import Repository
repository = Repository(FileSystemStorage(location=sys.argv[1]), Keyring.configured())
known = {}
repository.add([b"warm" * 1000], known)
noise = os.urandom(1024 * 1024)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
stored = repository.add((noise for _ in range(200)), known)
zeros = repository.add((bytes(1024 * 1024) for _ in range(200)), known)
for one in (stored, zeros):
    assert sum(map(len, repository.read(one.name))) == one.size == 200 * 1024 * 1024
assert zeros.sealed < 2_000_000
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "r")],
        env=os.environ
        | {"BACKUP_KEYS": backups, "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"},
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 24 * 1024  # KiB
