"""From where an event comes: the request that is being answered, and through which door."""

from __future__ import annotations

from contextvars import ContextVar

from celery import current_app
from django.http import HttpRequest

_request: ContextVar[HttpRequest | None] = ContextVar("audit_request", default=None)


class CurrentRequestMiddleware:
    """Whatever is recorded while a request is answered knows its route and address, also by a
    service that nobody handed the request to; and what is refused is recorded."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest):
        from .refusals import refusal_record

        token = _request.set(request)
        try:
            response = self.get_response(request)
            refusal_record(request, response)
            return response
        finally:
            _request.reset(token)


def current_request() -> HttpRequest | None:
    """The request that this thread is answering, if it is."""
    return _request.get()


def channel_of(request: HttpRequest | None) -> str:
    """``page``, ``api`` or ``admin`` by the route; without a request ``task`` or ``command``."""
    if request is None:
        return "task" if current_app.current_task else "command"
    match = getattr(request, "resolver_match", None)
    namespaces = match.namespaces if match else ()
    return next((name for name in ("api", "admin") if name in namespaces), "page")
