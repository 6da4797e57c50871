"""The page of a model version's card, for whoever is signed in: it names no patient."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from .errors import ModelVersionUnknownError
from .model_card import model_card
from .registry import version_get


@require_GET
@login_required
def model_card_page(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """What is known of one registered version, good and bad."""
    try:
        found = version_get(f"{name}:{version}")
    except ModelVersionUnknownError as error:
        raise Http404 from error
    return render(request, "models/card.html", {"card": model_card(found.facts), "version": found})
