"""What other machines ask: alive, ready, numbers."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from .health import readiness
from .metrics import exposition


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is looked at: a restart would mend nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether a radiograph sent now would be read: 200, or 503 with what is missing."""
    passed, answers = readiness()
    return JsonResponse(
        {"status": "ready" if passed else "not_ready", "checks": answers},
        status=200 if passed else 503,
    )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for bearers of ``METRICS_TOKEN`` or, without one, this machine.

    A proxy on this machine asks for others: without a token it gets nothing.
    """
    if not _may_read_metrics(request):
        raise Http404
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")
    if request.by_proxy:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
