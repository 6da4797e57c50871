"""Every request: from whom it comes, one line in the log, and headers that keep it private."""

from __future__ import annotations

import ipaddress
import re
import time
import uuid

import structlog
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django_structlog.middlewares import RequestMiddleware

from pneumoniapp.errors import CodedError, DatabaseBusyError, RetriableError

log = structlog.get_logger(__name__)

# What a proxy says about the client; believed only from a trusted one.
FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
# Whoever sends one of these is a proxy, or asks through one.
BY_PROXY = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", *FORWARDED)
# A number that no key of a row can be (SQLite's library), a day next to the first or last one
# there is, in another time zone (Python's): Django's forms and filters let them through.
TOO_LARGE = ("too large to convert to SQLite INTEGER", "date value out of range")
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)


class TrustedProxyMiddleware:
    """Make ``REMOTE_ADDR`` the client's address, and forwarded headers trustworthy or absent.

    ``TRUSTED_PROXIES`` lists the networks of the proxies. The addresses in
    ``X-Forwarded-For`` are believed from the right as far as the one that reports them is
    trusted, so a client can't choose its own address. Everything after this reads
    ``REMOTE_ADDR`` alone: rate limits, the record of access, the login's limits.
    ``request.by_proxy`` says whether any proxy, trusted or not, made itself known.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        request.by_proxy = any(header in meta for header in BY_PROXY)
        hops = meta.pop("HTTP_X_FORWARDED_FOR", "").split(",")
        # Whether ``REMOTE_ADDR`` is a client's, not that of a proxy that did not say whose.
        request.client_known = not _trusted(meta.get("REMOTE_ADDR", ""))
        if not request.client_known:
            for hop in reversed(hops):
                address = _hop_address(hop.strip())
                if address is None:
                    break
                request.client_known = True
                meta["REMOTE_ADDR"] = str(address)
                if not _trusted(str(address)):
                    break
        else:
            for header in FORWARDED:
                meta.pop(header, None)
        return self.get_response(request)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _hop_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """As proxies write it: alone, with a port, or in brackets (RFC 7239, section 6)."""
    if match := re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([\d.]+):\d+", text):
        text = match[1] or match[2]
    return _address(text)


def _trusted(text: str) -> bool:
    address = _address(text)
    if address is None:  # gunicorn on a Unix socket: whoever may open it is the proxy.
        return not text and bool(settings.TRUSTED_PROXIES)
    return any(address in network for network in settings.TRUSTED_PROXIES)


class RequestLogMiddleware(RequestMiddleware):
    """A request id for every line of the log, and one line for each finished request.

    The line names the method and the route (``radiographs/<uuid:pk>/``) with the keys of
    the objects, never the address: an address may hold what a user typed, or the secret of
    a confirmation link. The response carries the id as ``X-Request-ID``.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = super().__call__(request)
        response.headers["X-Request-ID"] = request.request_id
        return response

    def prepare(self, request: HttpRequest) -> None:
        request.started = time.monotonic()
        super().prepare(request)
        request.request_id = structlog.contextvars.get_contextvars()["request_id"]

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        facts = {"duration_ms": round(1000 * (time.monotonic() - request.started))}
        if match := request.resolver_match:
            facts |= {k: str(v) for k, v in match.kwargs.items() if isinstance(v, uuid.UUID)}
        structlog.contextvars.bind_contextvars(**facts)
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        match = request.resolver_match
        return f"{request.method} {match.route if match else '(no route)'}"


class PassingFaultMiddleware:
    """A passing fault that leaves a page's view (a storage that fails, a deadlock) is a 503 that
    says so.

    A value beyond what there can be that no form refused is a 400, and a row that went between
    two looks at it is not found. The API answers its own faults; below ``/api/`` nothing
    arrives here.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OverflowError) and str(error).endswith(TOO_LARGE):
            raise SuspiciousOperation("a number or a day that is too large") from error
        if isinstance(error, ObjectDoesNotExist):
            log.warning("row_gone", exc_info=error)
            raise Http404 from error
        if DatabaseBusyError.fits(error):
            log.warning("database_busy", exc_info=error)
            error = DatabaseBusyError()
        if not isinstance(error, CodedError) or error.status != 503:
            return None
        response = render(request, "errors/503.html", {"error": error}, status=error.status)
        if isinstance(error, RetriableError):
            response.headers["Retry-After"] = str(error.retry_after)
        return response


class KnownVerbsMiddleware:
    """Only the verbs that something here is written for reach a view.

    The admin's pages would answer any other as they do GET. The API says so itself.
    """

    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in self.known or request.path.startswith("/api/"):
            return self.get_response(request)
        return HttpResponseNotAllowed(self.known)


class PrivateResponseMiddleware:
    """Nothing is kept by a browser or a proxy unless its view says so."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class AnswerHeadersMiddleware:
    """What Django sets no header for, on every answer there is: static files, redirects and
    refused hosts included, so it stands around whatever may answer by itself.

    No device is asked for, no other origin loads anything from here, nothing is guessed to
    be of another type than it says.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        headers = response.headers
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # SecurityMiddleware sets these, but not on its own refusal of a host.
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY)
        headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        return response
