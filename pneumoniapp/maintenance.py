"""``MAINTENANCE=1``: everybody but administrators is told to come back later."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pneumoniapp.api.problems import problem_response
from pneumoniapp.errors import MaintenanceError

# Machines that watch, and the way in for administrators.
OPEN_NAMESPACES = {"operations", "admin"}
OPEN = {"account_login", "account_logout", "set_language", "favicon"}


class MaintenanceMiddleware:
    """503 with ``Retry-After``, as a page or, below ``/api/``, as a problem.

    Behind the middleware that knows who asks. Static files are served before it.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_args) -> HttpResponse | None:
        if not settings.MAINTENANCE:
            return None
        match = request.resolver_match
        is_open = match.view_name in OPEN or OPEN_NAMESPACES & set(match.namespaces)
        if is_open or request.user.is_staff:
            return None
        error = MaintenanceError()
        if request.path.startswith("/api/"):
            response = problem_response(error)
        else:
            context = {"error": error}
            response = render(request, "errors/maintenance.html", context, status=error.status)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
