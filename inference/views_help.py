"""The help page: what a reading says and does not say, keys, sending, whom to ask."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .selectors import model_production


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """For everybody, signed in or not; the model's card is linked for those who may see it."""
    version = model_production() if request.user.is_authenticated else None
    context = {"contact": settings.CONTACT_EMAIL, "version": version}
    return render(request, "help/help.html", context)
