"""The files of a ZIP archive that may be hostile, one at a time, in bounded time and memory.

Nothing is ever unpacked under a name of the archive's: each file goes into a nameless
temporary one and is gone when the next one comes. What the archive declares is checked before
anything is unpacked, and what really comes out is counted again. APPNOTE.TXT 6.3.10; for
overlapping files: D. Fifield, "A better zip bomb", WOOT 2019.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from django.conf import settings

from pneumoniapp.errors import CodedError

from .archive_errors import (
    ArchiveBrokenError,
    ArchiveEmptyError,
    ArchiveTooLargeError,
    ArchiveTooManyFilesError,
    ArchiveUnpacksTooLargeError,
    EntryArchiveError,
    EntryDamagedError,
    EntryEncryptedError,
    EntryMethodError,
    EntryPathError,
    EntryRatioError,
    EntryTwiceError,
)
from .errors import DicomDirectoryError, FileTooLargeError, NotDicomError, StorageUnavailableError

MIB = 1024 * 1024
FILE, EMPTY, SPANNED = b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"
PIECE = 256 * 1024
# A file up to this size is unpacked in memory, a larger one into a temporary file.
SPOOL = 4 * MIB
# Blocks of one value compress a thousandfold: below this size nobody is harmed.
RATIO_FLOOR = 4 * MIB
# Of the directory, for each file that is allowed: a long name with its extra fields.
DIRECTORY_BYTES = 512
LOCAL_HEADER = 30
ENCRYPTED, STRONGLY_ENCRYPTED = 0x1, 0x40
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DRIVE = re.compile(r"[A-Za-z]:")
# What zipfile says of an archive that contradicts itself.
UNSOUND = (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, RuntimeError)
# Reasons for which a file of a folder or an archive is passed over: it is no radiograph, and
# nobody has to do anything about it.
SKIPPED = (NotDicomError, DicomDirectoryError, EntryArchiveError)


def is_archive(file: BinaryIO) -> bool:
    """Whether ``file`` begins as a ZIP archive does; it stands at its beginning afterwards."""
    try:
        file.seek(0)
        start = file.read(4)
        file.seek(0)
    except OSError as error:
        raise StorageUnavailableError from error
    return start in (FILE, EMPTY, SPANNED)


class Archive:
    """An opened archive whose directory is within the limits; see :func:`open_archive`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self._entries = [info for info in archive.infolist() if not info.is_dir()]
        self._check()
        seen: set[str] = set()
        self._again: set[int] = set()
        for number, info in enumerate(self._entries):
            key = "/".join(_parts(info.filename)).casefold()
            if key in seen:
                self._again.add(number)
            seen.add(key)

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, number: int) -> str:
        """The name of a file as it may be shown; never a place to write to."""
        name = "".join(c if c.isprintable() else "�" for c in self._entries[number].filename)
        return name[-200:]

    @contextmanager
    def unpacked(self, number: int) -> Iterator[BinaryIO]:
        """One file, unpacked whole, checked by its checksum, at its beginning.

        Raises the coded errors ``Entry...Error``, ``FileTooLargeError``, and
        ``StorageUnavailableError`` when the disk takes no more.
        """
        info = self._entries[number]
        if number in self._again:
            raise EntryTwiceError
        _check_entry(info)
        with tempfile.SpooledTemporaryFile(SPOOL, dir=settings.FILE_UPLOAD_TEMP_DIR) as out:
            self._copy(info, out)
            out.seek(0)
            yield out

    def _copy(self, info: zipfile.ZipInfo, out: BinaryIO) -> None:
        size = 0
        try:
            with self._zip.open(info) as packed:
                # No more comes out than was declared; the checksum is compared at the end.
                while piece := packed.read(PIECE):
                    if not size and piece[:4] in (FILE, EMPTY, SPANNED):
                        raise EntryArchiveError
                    size += len(piece)
                    _check_size(size, info.compress_size)
                    out.write(piece)
        except OSError as error:
            raise StorageUnavailableError from error
        except (*UNSOUND, EOFError, zlib.error) as error:
            raise EntryDamagedError from error
        if size != info.file_size:
            raise EntryDamagedError

    def _check(self) -> None:
        """What the directory declares, before anything is unpacked."""
        if not self._entries:
            raise ArchiveEmptyError
        if len(self._entries) > settings.ARCHIVE_MAX_FILES:
            raise ArchiveTooManyFilesError(limit=settings.ARCHIVE_MAX_FILES)
        if sum(info.file_size for info in self._entries) > settings.ARCHIVE_MAX_UNPACKED_BYTES:
            limit = settings.ARCHIVE_MAX_UNPACKED_BYTES // MIB
            raise ArchiveUnpacksTooLargeError(limit=limit)
        end = 0
        for info in sorted(self._entries, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise ArchiveBrokenError
            end = info.header_offset + LOCAL_HEADER + info.compress_size
        if end > self._zip.start_dir:
            raise ArchiveBrokenError


@contextmanager
def open_archive(file: BinaryIO) -> Iterator[Archive]:
    """The archive in a seekable ``file``, its directory read and within the limits.

    Raises ``ArchiveTooLargeError``, ``ArchiveBrokenError``, ``ArchiveEmptyError``,
    ``ArchiveTooManyFilesError``, ``ArchiveUnpacksTooLargeError``, ``StorageUnavailableError``.
    """
    size = getattr(file, "size", None)  # of an upload: what was sent, not what was kept of it
    if size is None:
        file.seek(0, io.SEEK_END)
        size = file.tell()
    if size > settings.ARCHIVE_MAX_BYTES:
        raise ArchiveTooLargeError(limit=settings.ARCHIVE_MAX_BYTES // MIB)
    file.seek(0)
    try:
        opened = zipfile.ZipFile(_Guarded(file))
    except CodedError:
        raise
    except OSError as error:
        raise StorageUnavailableError from error
    except UNSOUND as error:
        raise ArchiveBrokenError from error
    with opened:
        yield Archive(opened)


class _Guarded:
    """``file`` for ``zipfile``, which reads a directory of any length in one piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._limit = max(settings.ARCHIVE_MAX_FILES * DIRECTORY_BYTES, 128 * 1024)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._limit + 1 if size < 0 else min(size, self._limit + 1))
        if len(data) > self._limit:
            raise ArchiveTooManyFilesError(limit=settings.ARCHIVE_MAX_FILES)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset < 0:
            raise zipfile.BadZipFile
        position = self._file.seek(offset, whence)
        # Django's File.seek answers nothing.
        return self._file.tell() if position is None else position

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[\\/]+", name) if part not in ("", ".")]


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    mode = info.external_attr >> 16
    is_odd = stat.S_IFMT(mode) not in (0, stat.S_IFREG) and info.create_system == 3  # Unix
    if (
        is_odd
        or name.startswith(("/", "\\"))
        or DRIVE.match(name)
        or ".." in _parts(name)
        or "\0" in name
    ):
        raise EntryPathError
    if info.flag_bits & (ENCRYPTED | STRONGLY_ENCRYPTED):
        raise EntryEncryptedError
    if info.compress_type not in METHODS:
        raise EntryMethodError
    _check_size(info.file_size, info.compress_size)


def _check_size(size: int, packed: int) -> None:
    """``size``: bytes that a file unpacks to, declared or come out so far."""
    if size > RATIO_FLOOR and size > packed * settings.ARCHIVE_MAX_RATIO:
        raise EntryRatioError
    if size > settings.RADIOGRAPH_MAX_BYTES:
        raise FileTooLargeError(limit=settings.RADIOGRAPH_MAX_BYTES // MIB)
