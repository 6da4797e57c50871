"""Stored files as answers, for pages and API."""

from __future__ import annotations

import structlog
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from .errors import StorageUnavailableError

log = structlog.get_logger(__name__)


def file_response(file: FieldFile, **options) -> FileResponse:
    """The stored ``file`` as it is; ``options`` are those of ``FileResponse``.

    Raises ``FileNotFoundError`` when the storage knows no such file, and
    :class:`StorageUnavailableError` for whatever else it fails with: each storage has
    errors of its own, and some come only when the first byte is asked for.
    """
    try:
        return FileResponse(file.open("rb"), **options)
    except FileNotFoundError:
        raise
    except Exception as error:
        log.exception("storage_unavailable")
        raise StorageUnavailableError from error


def versioned_response(
    request: HttpRequest, file: FieldFile, *, version: str, content_type: str
) -> HttpResponse:
    """``file``, or 304 when the browser has this ``version``; kept by that browser alone.

    The browser asks each time, so that who may see it is asked each time. Raises what
    :func:`file_response` raises.
    """
    etag = f'"{version}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = file_response(file, content_type=content_type)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def file_bytes(file: FieldFile) -> bytes:
    """All of a stored ``file`` that is small; raises what :func:`file_response` raises."""
    try:
        with file.open("rb") as opened:
            return opened.read()
    except FileNotFoundError:
        raise
    except Exception as error:
        log.exception("storage_unavailable")
        raise StorageUnavailableError from error
