"""How the bytes of an upload are received."""

from __future__ import annotations

import io
from contextlib import suppress

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler


class LostFile(io.RawIOBase):
    """Stands for a file that could not be kept: using it raises why."""

    def __init__(self, fault: OSError) -> None:
        self.fault = fault

    def _raise(self, *_args):
        # Of the same class: the number chooses it.
        raise OSError(self.fault.errno, self.fault.strerror)

    read = readinto = seek = tell = _raise


class BoundedUploadHandler(TemporaryFileUploadHandler):
    """Receives a file into the upload folder, and no more of it than is allowed.

    Beyond ``RADIOGRAPH_MAX_BYTES`` the bytes are counted and thrown away, so that a huge
    upload fills no disk; ``file.size`` is what was sent, by which the file is refused.

    A folder that takes no more (a full disk) loses the file and not the request: what was
    written is removed at once, and whoever reads the file meets the ``OSError``.
    """

    def new_file(self, *args, **kwargs) -> None:
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._lose(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        room = settings.RADIOGRAPH_MAX_BYTES + 1 - start
        if room > 0 and not self._is_lost:
            try:
                self.file.write(raw_data[:room])
            except OSError as error:
                self._lose(error)

    def file_complete(self, file_size: int) -> UploadedFile:
        if not self._is_lost:
            try:
                return super().file_complete(file_size)
            except OSError as error:  # the last bytes are written here
                self._lose(error)
        self.file.size = file_size
        return self.file

    @property
    def _is_lost(self) -> bool:
        return isinstance(self.file.file, LostFile)

    def _lose(self, fault: OSError) -> None:
        if file := getattr(self, "file", None):
            with suppress(OSError):
                file.close()
        self.file = UploadedFile(
            LostFile(fault), self.file_name, self.content_type, 0, self.charset
        )
