"""Files that come in piece by piece, and go on where they stopped after a lost connection.

The way of them is that of tus 1.0 and of the IETF's resumable uploads (draft-ietf-httpbis-
resumable-upload): create, PATCH with an offset, HEAD for the offset. Each piece is a file of
its own in the storage, so that any web process may take the next one and none is appended to.
"""

from __future__ import annotations

import datetime as dt
import io
import secrets
import zlib
from bisect import bisect_right
from itertools import accumulate
from typing import BinaryIO

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from .archive_errors import ArchiveTooLargeError
from .archives import FILE
from .errors import EmptyFileError, FileTooLargeError, StorageUnavailableError
from .models import Upload
from .upload_errors import (
    UploadChecksumError,
    UploadIncompleteError,
    UploadOffsetError,
    UploadPieceError,
)

MIB = 1024 * 1024
PIECE_BYTES = 4 * MIB
# A doctor's uploads that are not finished; an older one gives way to a new one.
MAX_OPEN = 20
KEPT_FOR = dt.timedelta(days=1)
FOLDER = "uploads"

log = structlog.get_logger(__name__)


def upload_create(*, owner, size: int) -> Upload:
    """Begin an upload of ``size`` bytes, larger than none and within ``ARCHIVE_MAX_BYTES``.

    Whether that much is allowed for what it is, its first piece tells.
    """
    if size < 1:
        raise EmptyFileError
    if size > settings.ARCHIVE_MAX_BYTES:
        raise ArchiveTooLargeError(limit=settings.ARCHIVE_MAX_BYTES // MIB)
    for old in Upload.objects.filter(owner=owner).order_by("-changed_at")[MAX_OPEN - 1 :]:
        upload_delete(upload=old)
    upload = Upload(owner=owner, size=size)
    upload.full_clean(exclude=["owner"])
    upload.save(force_insert=True)
    return upload


def upload_append(*, upload: Upload, offset: int, data: bytes) -> None:
    """Add one piece at ``offset``: of ``PIECE_BYTES``, the last one of what is left.

    Raises :class:`UploadOffsetError` when the upload is elsewhere (another request was
    first), :class:`UploadPieceError` for a piece of another length,
    :class:`FileTooLargeError` when no radiograph may be that large and this is no archive,
    :class:`StorageUnavailableError`. Then nothing is kept of the piece.
    """
    if offset != upload.received:
        raise UploadOffsetError
    if not data or len(data) != min(PIECE_BYTES, upload.size - offset):
        raise UploadPieceError(bytes=PIECE_BYTES)
    is_archive = offset > 0 or data[:4] == FILE
    if upload.size > settings.RADIOGRAPH_MAX_BYTES and not is_archive:
        raise FileTooLargeError(limit=settings.RADIOGRAPH_MAX_BYTES // MIB)
    name = f"{FOLDER}/{upload.pk}/{offset:012}-{secrets.token_hex(4)}"
    try:
        default_storage.save(name, ContentFile(data))
    except Exception as error:
        _remove(name)  # A full disk may have taken the first half.
        raise StorageUnavailableError from error
    upload.pieces = [*upload.pieces, {"name": name, "size": len(data)}]
    upload.received = offset + len(data)
    upload.checksum = zlib.crc32(data, upload.checksum)
    updated = 0
    try:
        updated = Upload.objects.filter(pk=upload.pk, received=offset).update(
            pieces=upload.pieces,
            received=upload.received,
            checksum=upload.checksum,
            changed_at=timezone.now(),
        )
    finally:
        if not updated:
            _remove(name)
    if not updated:
        raise UploadOffsetError


def upload_open(upload: Upload, *, checksum: int) -> BinaryIO:
    """The whole file, seekable; ``checksum`` is the CRC-32 that its sender found.

    Raises :class:`UploadIncompleteError`, :class:`UploadChecksumError`.
    """
    if upload.received != upload.size:
        raise UploadIncompleteError
    if upload.checksum != checksum:
        raise UploadChecksumError
    return io.BufferedReader(_Pieces(upload.pieces), 256 * 1024)


def upload_delete(*, upload: Upload) -> None:
    """Forget an upload with all that came in of it."""
    Upload.objects.filter(pk=upload.pk).delete()
    _remove_folder(str(upload.pk))


def uploads_sweep() -> int:
    """Forget uploads that nothing has come to for a day, and pieces that no upload knows."""
    old = Upload.objects.filter(changed_at__lt=timezone.now() - KEPT_FOR)
    swept = 0
    for upload in old:
        upload_delete(upload=upload)
        swept += 1
    try:
        folders, _files = default_storage.listdir(FOLDER)
    except FileNotFoundError:
        return swept
    known = {str(pk) for pk in Upload.objects.values_list("pk", flat=True)}
    for folder in folders:
        if folder not in known:
            _remove_folder(folder)
    return swept


def _remove_folder(folder: str) -> None:
    path = f"{FOLDER}/{folder}"
    try:
        _folders, files = default_storage.listdir(path)
    except FileNotFoundError:
        return
    except Exception:
        log.warning("file_left_behind", exc_info=True)
        return
    for file in files:
        _remove(f"{path}/{file}")
    _remove(path)  # The folder itself, where the storage has any.


def _remove(name: str) -> None:
    try:
        default_storage.delete(name)
    except Exception:
        log.warning("file_left_behind", exc_info=True)


class _Pieces(io.RawIOBase):
    """The pieces of an upload as one file; one of them is open at a time."""

    def __init__(self, pieces: list[dict]) -> None:
        self._names = [piece["name"] for piece in pieces]
        self._starts = [0, *accumulate(piece["size"] for piece in pieces)]
        self._position = 0
        self._number, self._file = -1, None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}
        if base[whence] + offset < 0:
            raise ValueError("negative position")
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer) -> int:
        if self._position >= self._starts[-1]:
            return 0
        number = bisect_right(self._starts, self._position) - 1
        room = min(len(buffer), self._starts[number + 1] - self._position)
        data = self._read(number, self._position - self._starts[number], room)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, number: int, offset: int, length: int) -> bytes:
        try:
            if number != self._number:
                self._leave()
                self._file = default_storage.open(self._names[number], "rb")
                self._number = number
            self._file.seek(offset)
            data = self._file.read(length)
        except Exception as error:  # Each storage has errors of its own.
            raise OSError("a piece cannot be read") from error
        if not data:
            raise OSError("a piece is cut short")
        return data

    def _leave(self) -> None:
        if self._file:
            self._file.close()
        self._number, self._file = -1, None

    def close(self) -> None:
        self._leave()
        super().close()
