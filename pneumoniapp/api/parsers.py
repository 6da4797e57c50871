"""Bodies, with a limit that is checked before anything is read."""

from __future__ import annotations

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser

from .errors import RequestTooLargeError

# What the other fields and the boundaries of a form may take beside its file, in bytes.
FORM_OVERHEAD = 64 * 1024


class StrictJSONParser(JSONParser):
    """JSON of at most ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes and of a depth that Python bears."""

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError from error


class UploadParser(MultiPartParser):
    """A form with one radiograph of at most ``RADIOGRAPH_MAX_BYTES`` bytes.

    The server hands on no more bytes than the request declares, so the declared length
    is enough to refuse a body that is too large before it is received.
    """

    def parse(self, stream, media_type=None, parser_context=None):
        length = parser_context["request"].META.get("CONTENT_LENGTH") or ""
        limit = settings.RADIOGRAPH_MAX_BYTES + FORM_OVERHEAD
        if length.isdigit() and int(length) > limit:
            raise RequestTooLargeError(limit=settings.RADIOGRAPH_MAX_BYTES)
        return super().parse(stream, media_type, parser_context)
