"""Every error of the API as problem details (RFC 9457) with a stable code."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

import structlog
from django.conf import settings
from django.core.exceptions import (
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import set_rollback

from pneumoniapp.errors import CodedError, DatabaseBusyError, RetriableError, UnexpectedError

from . import errors

MEDIA_TYPE = "application/problem+json"

logger = logging.getLogger("django.request")
log = structlog.get_logger(__name__)

# The first class that fits gives the code.
CODED = (
    (exceptions.ParseError, errors.MalformedRequestError),
    (exceptions.AuthenticationFailed, errors.InvalidTokenError),
    (exceptions.NotAuthenticated, errors.NotAuthenticatedError),
    (exceptions.MethodNotAllowed, errors.MethodNotAllowedError),
    (exceptions.NotAcceptable, errors.NotAcceptableError),
    (exceptions.UnsupportedMediaType, errors.UnsupportedMediaTypeError),
    (exceptions.Throttled, errors.TooManyRequestsError),
    ((exceptions.PermissionDenied, PermissionDenied), errors.PermissionDeniedError),
    # A row that went between two looks at it is not found either.
    ((exceptions.NotFound, Http404, ObjectDoesNotExist), errors.NotFoundError),
    (RequestDataTooBig, errors.RequestTooLargeError),
    ((SuspiciousOperation, UnreadablePostError), errors.MalformedRequestError),
)


def problem(error: CodedError) -> dict:
    """The members of RFC 9457, section 3.1, and the extensions ``code`` and ``errors``."""
    body = {
        "type": f"/api/problems/{error.code}/",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
    }
    return body | {"errors": error.fields} if error.fields else body


def problem_handler(exc: Exception, context: dict) -> Response:
    """DRF's ``EXCEPTION_HANDLER``: an exception becomes a problem; none passes through.

    An exception that nobody foresaw is logged with its trace and answered as
    ``unexpected_error``, so that a program never meets a page.
    """
    set_rollback()
    if isinstance(exc, ValidationError):
        exc = exceptions.ValidationError(serializers.as_serializer_error(exc))
    error = coded(exc)
    if isinstance(error, UnexpectedError):
        request = context["request"]._request
        got_request_exception.send(sender=problem_handler, request=request)
        logger.error(
            "Internal Server Error: %s",
            request.path,
            exc_info=exc,
            extra={"status_code": 500, "request": request},
        )
    if isinstance(exc, ObjectDoesNotExist):
        log.warning("row_gone", exc_info=exc)
    if isinstance(error, DatabaseBusyError):
        log.warning("database_busy", exc_info=exc)
    body = problem(error)
    if isinstance(exc, exceptions.ValidationError):
        body["errors"] = errors_by_field(exc.get_full_details())
    return Response(
        body, status=error.status, headers=_headers(exc, error), content_type=MEDIA_TYPE
    )


def coded(exc: Exception) -> CodedError:
    """The coded error that stands for ``exc``."""
    if isinstance(exc, CodedError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return errors.InvalidError()
    if isinstance(exc, RequestDataTooBig):
        return errors.RequestTooLargeError(limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    for classes, error in CODED:
        if isinstance(exc, classes):
            return error()
    return DatabaseBusyError() if DatabaseBusyError.fits(exc) else UnexpectedError()


def errors_by_field(details, prefix: str = "") -> dict[str, list[dict[str, str]]]:
    """DRF's nested error details as ``{"field": [{"code", "detail"}]}``, nested names dotted."""
    if isinstance(details, list) and any("message" not in item for item in details):
        details = {str(index): item for index, item in enumerate(details) if item}
    if isinstance(details, list):
        return {
            prefix or "non_field_errors": [
                {"code": str(item["code"]), "detail": str(item["message"])} for item in details
            ]
        }
    flat: dict[str, list] = {}
    for name, value in details.items():
        flat |= errors_by_field(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def problem_response(error: CodedError) -> JsonResponse:
    """A problem for views outside DRF: unknown addresses and Django's own error pages."""
    return JsonResponse(problem(error), status=error.status, content_type=MEDIA_TYPE)


@csrf_exempt
def not_found(request: HttpRequest, *_args, **_kwargs) -> JsonResponse:
    """The answer of every address below ``/api/`` that is no route."""
    return problem_response(errors.NotFoundError())


def problem_below_api(error: type[CodedError]) -> Callable:
    """Make one of Django's error pages answer with ``error`` where a program has asked."""

    def decorate(page: Callable) -> Callable:
        @wraps(page)
        def answer(request: HttpRequest, *args, **kwargs) -> HttpResponse:
            if request.path.startswith("/api/"):
                return problem_response(error())
            return page(request, *args, **kwargs)

        return answer

    return decorate


def _headers(exc: Exception, error: CodedError) -> dict[str, str]:
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Token"
    if isinstance(error, RetriableError):
        headers["Retry-After"] = str(error.retry_after)
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(wait)
    return headers
