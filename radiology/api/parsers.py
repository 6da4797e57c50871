"""The body of an upload, with a limit that is checked before anything is read."""

from __future__ import annotations

from django.conf import settings
from rest_framework.parsers import MultiPartParser

from radiology.errors import FileTooLargeError

# What the other fields and the boundaries of the form may take beside the file, in bytes.
FORM_OVERHEAD = 64 * 1024


class UploadParser(MultiPartParser):
    """A form with one radiograph of at most ``RADIOGRAPH_MAX_BYTES`` bytes.

    The server hands on no more bytes than the request declares, so the declared length
    is enough to refuse a body that is too large before it is received.
    """

    def parse(self, stream, media_type=None, parser_context=None):
        length = parser_context["request"].META.get("CONTENT_LENGTH") or ""
        limit = settings.RADIOGRAPH_MAX_BYTES
        if length.isdigit() and int(length) > limit + FORM_OVERHEAD:
            raise FileTooLargeError(limit=limit // 2**20)
        return super().parse(stream, media_type, parser_context)
