"""Request ids and one structured log line a request, without a query string."""

from django_structlog.middlewares import RequestMiddleware


class RequestLogMiddleware(RequestMiddleware):
    """Logs the method and the path alone: a query string may hold what a user typed."""

    def format_request(self, request) -> str:
        return f"{request.method} {request.path}"
