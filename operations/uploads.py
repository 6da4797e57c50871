"""How the bytes of an upload are received."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

ZIP_START = b"PK\x03\x04"


class LostFile(io.RawIOBase):
    """Stands for a file that could not be kept: using it raises why."""

    def __init__(self, fault: OSError) -> None:
        self.fault = fault

    def _raise(self, *_args):
        # Of the same class: the number chooses it.
        raise OSError(self.fault.errno, self.fault.strerror)

    read = readinto = seek = tell = _raise


class BoundedUploadHandler(FileUploadHandler):
    """Receives a file into the upload folder, and no more of it than is allowed.

    Beyond ``RADIOGRAPH_MAX_BYTES`` the bytes are counted and thrown away, so that a huge
    upload fills no disk; ``file.size`` is what was sent, by which the file is refused. What
    begins as a ZIP archive may have ``ARCHIVE_MAX_BYTES``.

    The file has no name there: it names a patient, and is gone with the process even when
    that is killed. A folder that takes no more (a full disk) loses the file and not the
    request: whoever reads the file meets the ``OSError``.
    """

    def new_file(self, *args, **kwargs) -> None:
        super().new_file(*args, **kwargs)
        try:
            file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
        except OSError as error:
            file = LostFile(error)
        self.limit = settings.RADIOGRAPH_MAX_BYTES
        self._keep_in(file)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start == 0 and raw_data[:4] == ZIP_START:
            self.limit = settings.ARCHIVE_MAX_BYTES
        room = self.limit + 1 - start
        if room > 0 and not self._is_lost:
            try:
                self.file.write(raw_data[:room])
            except OSError as error:
                self._lose(error)

    def file_complete(self, file_size: int) -> UploadedFile:
        if not self._is_lost:
            try:
                self.file.seek(0)  # writes the last bytes
            except OSError as error:
                self._lose(error)
        self.file.size = file_size
        return self.file

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            with suppress(OSError):
                self.file.close()

    @property
    def _is_lost(self) -> bool:
        return isinstance(self.file.file, LostFile)

    def _keep_in(self, file) -> None:
        self.file = UploadedFile(file, self.file_name, self.content_type, 0, self.charset)

    def _lose(self, fault: OSError) -> None:
        with suppress(OSError):
            self.file.close()
        self._keep_in(LostFile(fault))
