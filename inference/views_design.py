"""The living page of the design system, for developers and administrators."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .design import components, contrasts

SIZES = ("h1", "h2", "h3", "h4", "h5", "h6")
SPACES = ("space-1", "space-2", "space-3", "space-4", "space-5")


@require_safe
def design(request: HttpRequest) -> HttpResponse:
    """Type, spacing, colours with their contrast, and every component from its own template."""
    if not (settings.DEBUG or request.user.is_staff):
        raise Http404
    context = {
        "sizes": SIZES,
        "spaces": SPACES,
        "contrasts": contrasts(),
        "components": components(request),
    }
    return render(request, "design/design.html", context)
