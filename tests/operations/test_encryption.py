"""Stored files are sealed: nobody reads, cuts, changes or exchanges them unnoticed."""

import io
import os
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError

from operations import checks
from operations.backup.keys import new_key
from operations.encryption.sealed import CHUNK, HEADER, MAGIC, TAG, plain_size
from operations.errors import FileDamagedError, FileKeysInvalidError, FileKeyUnknownError
from operations.models import AccessEvent
from tests.inference.factories import AnalysisFactory

NAME = "radiographs/ab/one"
LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17]


def keep(content: bytes, name: str = NAME) -> Path:
    assert default_storage.save(name, ContentFile(content)) == name
    return Path(default_storage.path(name))


def content(length: int) -> bytes:
    return os.urandom(length)


def back(name: str = NAME) -> bytes:
    with default_storage.open(name) as file:
        return file.read()


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_kept_comes_back_and_is_not_to_be_read_on_the_disk(length):
    wanted = b"a name that nobody may read"[:length] + content(max(0, length - 27))
    path = keep(wanted)
    stored = path.read_bytes()
    assert stored.startswith(MAGIC)
    assert b"nobody may read" not in stored
    assert back() == wanted
    assert default_storage.size(NAME) == length == plain_size(len(stored))


def test_the_same_content_never_looks_the_same():
    one, other = keep(b"same", "radiographs/a"), keep(b"same", "radiographs/b")
    assert one.read_bytes()[HEADER:] != other.read_bytes()[HEADER:]


def test_any_part_is_read_by_itself():
    wanted = content(3 * CHUNK + 99)
    keep(wanted)
    with default_storage.open(NAME) as file:
        for start, length in [(3 * CHUNK, 99), (CHUNK - 5, 10), (0, 1), (2 * CHUNK, CHUNK)]:
            file.seek(start)
            assert file.read(length) == wanted[start : start + length]
        assert file.seek(0, io.SEEK_END) == len(wanted)
        assert file.read() == b""
        file.seek(-4, io.SEEK_END)
        assert file.read() == wanted[-4:]
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)


@pytest.mark.parametrize("length", [0, 1, 5, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
@pytest.mark.parametrize("fault", ["cut", "shortened", "changed", "header", "longer", "emptied"])
def test_whatever_is_done_to_it_is_noticed(length, fault):
    path = keep(content(length))
    stored = bytearray(path.read_bytes())
    if fault == "cut":
        del stored[-1]
    elif fault == "shortened":  # at the end of a chunk, as if there had been no more
        if length <= CHUNK:
            pytest.skip("there is one chunk")
        del stored[HEADER + CHUNK + TAG :]
    elif fault == "changed":
        stored[-1] ^= 1
    elif fault == "header":
        stored[HEADER - 1] ^= 1
    elif fault == "longer":
        stored += b"x"
    else:
        del stored[HEADER:]
    path.write_bytes(stored)
    with pytest.raises(FileDamagedError):
        back()


def test_no_file_stands_in_anothers_place():
    one, other = keep(b"one", "radiographs/a"), keep(b"other", "radiographs/b")
    one.write_bytes(other.read_bytes())
    with pytest.raises(FileDamagedError):
        back("radiographs/a")


def test_a_new_key_seals_and_the_old_one_still_opens(settings):
    keep(b"old")
    old = settings.FILE_KEYS
    settings.FILE_KEYS = [new_key(), *old]
    keep(b"new", "radiographs/new")
    assert (back(), back("radiographs/new")) == (b"old", b"new")
    settings.FILE_KEYS = old
    with pytest.raises(FileKeyUnknownError):
        back("radiographs/new")


def test_a_file_from_before_the_first_key_is_read_as_it_is(settings):
    keys, settings.FILE_KEYS = settings.FILE_KEYS, []
    path = keep(b"plain")
    assert path.read_bytes() == b"plain"
    settings.FILE_KEYS = keys
    assert back() == b"plain"
    assert default_storage.size(NAME) == 5


def test_without_the_keys_what_is_sealed_stays_shut(settings):
    keep(b"secret")
    settings.FILE_KEYS = []
    with pytest.raises(FileKeyUnknownError):
        back()


def test_nothing_is_opened_for_writing():
    keep(b"one")
    with pytest.raises(ValueError, match="reading"):
        default_storage.open(NAME, "wb")


@pytest.mark.parametrize("text", ["", "short", "ä" * 43, "A" * 44 + "=="])
def test_a_key_that_is_none_is_found_at_the_start(settings, text):
    settings.FILE_KEYS = [new_key(), text]
    with pytest.raises(FileKeysInvalidError, match="2"):
        keep(b"x")
    assert [found.id for found in checks.file_keys_are_keys()] == ["operations.E005"]


def test_an_installation_without_keys_is_warned(settings):
    assert checks.files_are_encrypted() == []
    settings.FILE_KEYS = []
    assert [found.id for found in checks.files_are_encrypted()] == ["operations.W005"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"CELERY_BROKER_URL": "redis://broker.example.org/0"}, ["CELERY_BROKER_URL"]),
        ({"CELERY_BROKER_URL": "rediss://broker.example.org/0"}, []),
        ({"CELERY_BROKER_URL": "redis://127.0.0.1/0"}, []),
        (
            {"CACHES": {"default": {"LOCATION": "redis://:secret@cache.example.org/1"}}},
            ["CACHE_URL"],
        ),
        ({"DATABASES": {"default": {"HOST": "db.example.org", "OPTIONS": {}}}}, ["DATABASE_URL"]),
        ({"DATABASES": {"default": {"HOST": "db", "OPTIONS": {"ssl": {"ca": "x"}}}}}, []),
    ],
)
def test_a_link_in_the_clear_is_told(monkeypatch, changes, told):
    class Changed:
        def __getattr__(self, name):
            return changes[name] if name in changes else getattr(django_settings, name)

    quiet = {"DATABASES": {"default": {}}, "CACHES": {"default": {}}}
    changes = quiet | changes
    monkeypatch.setattr(checks, "settings", Changed())
    found = checks.links_are_encrypted()
    assert [message.msg.split()[0] for message in found] == told
    assert "secret" not in str(found)


@pytest.mark.django_db
class TestCommand:
    @pytest.fixture
    def run(self, run_command):
        return partial(run_command, "encrypt_files")

    @pytest.fixture
    def files(self, settings):
        """A plain file, one with the old key, one with the new; their contents by name."""
        old, new = new_key(), new_key()
        kept = {}
        for number, keys in enumerate(([], [old], [new, old])):
            settings.FILE_KEYS = keys
            name = f"radiographs/ab/{number}"
            kept[name] = content(CHUNK + number)
            keep(kept[name], name)
        return kept

    def test_seals_all_with_the_first_key(self, files, run, settings):
        times = {name: default_storage.get_modified_time(name) for name in files}
        code, lines = run("--check")
        assert code == 0
        assert lines[-1] == "3 files; 0 sealed, 0 unread."
        assert any("1 files: not encrypted" in line for line in lines)
        code, lines = run()
        assert (code, lines[-1]) == (0, "3 files; 2 sealed, 0 unread.")
        settings.FILE_KEYS = settings.FILE_KEYS[:1]  # the old one is not needed any more
        assert {name: back(name) for name in files} == files
        assert {name: default_storage.get_modified_time(name) for name in files} == times
        assert run()[1][-1] == "3 files; 0 sealed, 0 unread."
        event = AccessEvent.objects.get()  # neither what changes nothing nor each file
        assert (event.object_type, event.count) == ("operations.filekey", 2)
        folder = Path(default_storage.path("radiographs/ab"))
        assert len(list(folder.iterdir())) == 3  # nothing is left beside them

    def test_a_file_that_is_damaged_is_named_and_left(self, files, run):
        path = Path(default_storage.path("radiographs/ab/1"))
        path.write_bytes(path.read_bytes()[:-1])
        before = path.read_bytes()
        code, lines = run()
        assert code == 1
        assert "file_damaged\tradiographs/ab/1" in lines
        assert path.read_bytes() == before
        assert back("radiographs/ab/0") == files["radiographs/ab/0"]

    def test_a_full_disk_in_the_middle_leaves_the_old_file(self, files, monkeypatch):
        def full(_number):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("operations.encryption.storages.os.fsync", full)
        with pytest.raises(OSError, match="space"):
            default_storage.seal_again("radiographs/ab/0")
        assert back("radiographs/ab/0") == files["radiographs/ab/0"]
        assert len(list(Path(default_storage.path("radiographs/ab")).iterdir())) == 3

    def test_needs_a_key(self, run, settings):
        settings.FILE_KEYS = []
        with pytest.raises(CommandError, match="FILE_KEYS"):
            run()


@pytest.mark.django_db
def test_a_radiograph_is_sealed_and_served_as_it_was(doctor_client, doctor):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor)
    radiograph = analysis.radiograph
    assert Path(radiograph.file.path).read_bytes().startswith(MAGIC)
    answer = doctor_client.get(f"/radiographs/{radiograph.pk}/image.dcm")
    sent = b"".join(answer.streaming_content)
    assert sent[128:132] == b"DICM"
    assert len(sent) == int(answer["Content-Length"]) == radiograph.file.size


@pytest.mark.django_db
def test_a_damaged_file_is_a_coded_answer(doctor_client, doctor):
    radiograph = AnalysisFactory(radiograph__patient__owner=doctor).radiograph
    path = Path(radiograph.file.path)
    stored = bytearray(path.read_bytes())
    stored[HEADER + 100] ^= 1
    path.write_bytes(stored)
    answer = doctor_client.get(f"/radiographs/{radiograph.pk}/image.dcm")
    assert answer.status_code == 503
