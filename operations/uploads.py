"""How the bytes of an upload are received."""

from __future__ import annotations

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler


class BoundedUploadHandler(TemporaryFileUploadHandler):
    """Receives a file into the upload folder, and no more of it than is allowed.

    Beyond ``RADIOGRAPH_MAX_BYTES`` the bytes are counted and thrown away, so that a huge
    upload fills no disk; ``file.size`` is what was sent, by which the file is refused.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        room = settings.RADIOGRAPH_MAX_BYTES + 1 - start
        if room > 0:
            self.file.write(raw_data[:room])
