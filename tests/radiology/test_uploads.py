"""A file that comes in piece by piece: in order, within limits, whole at the end, swept if not."""

import datetime as dt
import errno
import io
import zlib

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from pneumoniapp.errors import CodedError
from radiology.models import Upload
from radiology.uploads import (
    MAX_OPEN,
    PIECE_BYTES,
    upload_append,
    upload_create,
    upload_delete,
    upload_open,
    uploads_sweep,
)
from tests.accounts.factories import DoctorFactory

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * (9 * 1024 * 1024 // 256) + b"end"


def begun(size: int = len(CONTENT)) -> Upload:
    return upload_create(owner=DoctorFactory(), size=size)


def fill(upload: Upload, content: bytes = CONTENT) -> Upload:
    for offset in range(0, len(content), PIECE_BYTES):
        upload_append(upload=upload, offset=offset, data=content[offset : offset + PIECE_BYTES])
    return Upload.objects.get(pk=upload.pk)


def refusal(call, **arguments) -> str:
    with pytest.raises(CodedError) as caught:
        call(**arguments)
    return caught.value.code


def stored(upload: Upload) -> list[str]:
    try:
        return default_storage.listdir(f"uploads/{upload.pk}")[1]
    except FileNotFoundError:
        return []


def test_what_came_in_by_pieces_is_one_file():
    upload = fill(begun())
    assert (upload.received, upload.checksum) == (len(CONTENT), zlib.crc32(CONTENT))
    assert len(stored(upload)) == 3
    with upload_open(upload, checksum=zlib.crc32(CONTENT)) as file:
        assert file.read() == CONTENT
        edge = PIECE_BYTES - 10
        assert file.seek(edge) == edge
        assert file.read(20) == CONTENT[edge : edge + 20]
        assert file.seek(-3, io.SEEK_END) == len(CONTENT) - 3
        assert file.read(10) == b"end"
        assert file.read(10) == b""


def test_only_the_next_piece_of_the_right_length_is_taken():
    upload = begun()
    piece = CONTENT[:PIECE_BYTES]
    for data in (b"", piece[:-1], piece + b"x"):
        assert refusal(upload_append, upload=upload, offset=0, data=data) == "upload_piece"
    assert refusal(upload_append, upload=upload, offset=PIECE_BYTES, data=piece) == "upload_offset"
    stale = Upload.objects.get(pk=upload.pk)
    upload_append(upload=upload, offset=0, data=piece)
    # The same piece sent twice at the same moment: one of them counts, nothing else stays.
    assert refusal(upload_append, upload=stale, offset=0, data=piece) == "upload_offset"
    assert len(stored(upload)) == 1


def test_half_a_piece_is_not_left_behind_by_a_full_disk(monkeypatch):
    upload = begun()

    def full(name, content, **options):
        saved(name, ContentFile(content.read(1000)), **options)
        raise OSError(errno.ENOSPC, "no space left on device")

    saved = default_storage.save
    monkeypatch.setattr(type(default_storage._wrapped), "save", lambda _s, *a, **k: full(*a, **k))
    piece = CONTENT[:PIECE_BYTES]
    assert refusal(upload_append, upload=upload, offset=0, data=piece) == "storage_unavailable"
    assert stored(upload) == []
    assert Upload.objects.get(pk=upload.pk).received == 0


def test_a_piece_is_not_left_behind_by_a_database_that_fails(monkeypatch):
    upload = begun()

    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(QuerySet, "update", full)
    with pytest.raises(OperationalError):
        upload_append(upload=upload, offset=0, data=CONTENT[:PIECE_BYTES])
    assert stored(upload) == []


def test_a_file_is_not_opened_before_it_is_whole_and_right():
    upload = begun()
    assert refusal(upload_open, upload=upload, checksum=0) == "upload_incomplete"
    upload = fill(upload)
    assert refusal(upload_open, upload=upload, checksum=1) == "upload_checksum"


def test_the_size_is_limited_before_and_while_it_comes_in(settings):
    settings.ARCHIVE_MAX_BYTES = 50_000_000
    settings.RADIOGRAPH_MAX_BYTES = 8_000_000
    doctor = DoctorFactory()
    assert refusal(upload_create, owner=doctor, size=0) == "empty_file"
    assert refusal(upload_create, owner=doctor, size=50_000_001) == "archive_too_large"
    upload = begun(9_000_000)
    piece = bytes(PIECE_BYTES)
    assert refusal(upload_append, upload=upload, offset=0, data=piece) == "too_large"
    upload_append(upload=upload, offset=0, data=b"PK\x03\x04" + piece[4:])
    assert Upload.objects.get(pk=upload.pk).received == PIECE_BYTES


def test_a_doctor_has_so_many_uploads_and_the_oldest_gives_way():
    doctor = DoctorFactory()
    first = upload_create(owner=doctor, size=5)
    upload_append(upload=first, offset=0, data=b"12345")
    theirs = begun(5)
    Upload.objects.filter(pk=first.pk).update(changed_at=timezone.now() - dt.timedelta(hours=1))
    for _number in range(MAX_OPEN):
        upload_create(owner=doctor, size=5)
    assert Upload.objects.filter(owner=doctor).count() == MAX_OPEN
    assert not Upload.objects.filter(pk=first.pk).exists()
    assert stored(first) == []
    assert Upload.objects.filter(pk=theirs.pk).exists()


def test_what_nobody_goes_on_with_is_swept_after_a_day():
    young, old, gone = (begun(5) for _number in range(3))
    for upload in (young, old, gone):
        upload_append(upload=upload, offset=0, data=b"12345")
    Upload.objects.filter(pk=old.pk).update(changed_at=timezone.now() - dt.timedelta(hours=25))
    Upload.objects.filter(pk=gone.pk).delete()  # With its doctor; the pieces stay behind.
    assert uploads_sweep() == 1
    assert [len(stored(upload)) for upload in (young, old, gone)] == [1, 0, 0]
    assert list(Upload.objects.all()) == [young]
    upload_delete(upload=young)
    assert default_storage.listdir("uploads") == ([], [])
    assert uploads_sweep() == 0


# --- Its door ------------------------------------------------------------------------------


def patch(client, url: str, offset, data: bytes):
    headers = {"Upload-Offset": str(offset)}
    return client.patch(url, data, content_type="application/offset+octet-stream", headers=headers)


def test_a_lost_connection_goes_on_where_it_stopped(doctor_client):
    begun = doctor_client.post(reverse("radiology:uploads"), {"size": len(CONTENT)})
    assert begun.status_code == 201
    url = begun.json()["url"]
    assert begun.json()["piece_bytes"] == PIECE_BYTES
    assert patch(doctor_client, url, 0, CONTENT[:PIECE_BYTES]).headers["Upload-Offset"] == str(
        PIECE_BYTES
    )
    again = patch(doctor_client, url, 0, CONTENT[:PIECE_BYTES])
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "upload_offset"
    state = doctor_client.head(url)
    assert (state.headers["Upload-Offset"], state.headers["Upload-Length"]) == (
        str(PIECE_BYTES),
        str(len(CONTENT)),
    )
    assert doctor_client.delete(url).status_code == 204
    assert doctor_client.head(url).status_code == 404
    assert default_storage.listdir("uploads") == ([], [])


@pytest.mark.parametrize("size", ["", "x", "-1", "1.5", "9" * 30, "٣"])
def test_a_size_that_is_none(doctor_client, size):
    response = doctor_client.post(reverse("radiology:uploads"), {"size": size})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "upload_size"


def test_a_body_that_is_too_long_or_nowhere_is_refused(doctor_client, doctor):
    upload = upload_create(owner=doctor, size=2 * PIECE_BYTES)
    url = reverse("radiology:upload", args=[upload.pk])
    for offset, data, code in (
        (0, bytes(PIECE_BYTES + 1), "upload_piece"),
        (0, b"", "upload_piece"),
        ("x", b"1", "upload_offset"),
        (-1, b"1", "upload_offset"),
    ):
        assert patch(doctor_client, url, offset, data).json()["error"]["code"] == code
    assert Upload.objects.get().received == 0
