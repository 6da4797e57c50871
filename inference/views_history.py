"""Pages about more than one reading of a patient: compare two, have one read again."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import practising_doctor_required
from operations.services import access_record
from patients.models import Patient
from patients.selectors import patient_get

from .comparison import (
    Comparison,
    comparison_choices,
    comparison_get,
    older_first,
    pair_for,
)
from .models import Analysis
from .worklist_bulk import readings_reread


@require_GET
@never_cache
@practising_doctor_required
def compare(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Two radiographs of one patient side by side, ``left`` and ``right``.

    ``radiograph``, twice, is the selection of the patient's page: the older one goes to the
    left. One side alone is compared with the radiograph before it, none with the newest two.
    """
    try:
        patient = patient_get(request.user, pk)
    except Patient.DoesNotExist as error:
        raise Http404 from error
    if "radiograph" in request.GET:
        return _selected(request, patient)
    left, right = _key(request.GET.get("left")), _key(request.GET.get("right"))
    if not (left and right):
        pair = pair_for(comparison_choices(request.user, patient), left or right)
        if pair is None and (left or right):
            raise Http404
        if pair is None:
            return _back(request, patient, _("It takes two radiographs to compare."))
        return redirect(_address(patient, *pair))
    if left == right:
        return _back(request, patient, _("Choose two different radiographs."))
    comparison = _comparison_or_404(request, patient, left, right)
    for side in comparison.sides:
        radiograph = side.reading.radiograph
        access_record(actor=request.user, action="read", obj=radiograph, request=request)
    chosen = [side.analysis for side in comparison.sides]
    context = {
        "patient": patient,
        "comparison": comparison,
        "choices": comparison_choices(request.user, patient, *chosen),
        "swapped": _address(patient, right, left),
    }
    return render(request, "readings/compare.html", context)


def _selected(request: HttpRequest, patient: Patient) -> HttpResponse:
    keys = {_key(text) for text in request.GET.getlist("radiograph")}
    if len(keys) != 2:
        return _back(request, patient, _("Select exactly two radiographs to compare."))
    if None in keys:
        raise Http404
    return redirect(_address(patient, *older_first(_comparison_or_404(request, patient, *keys))))


def _comparison_or_404(request, patient, left: uuid.UUID, right: uuid.UUID) -> Comparison:
    try:
        return comparison_get(request.user, patient, left, right)
    except Analysis.DoesNotExist as error:
        raise Http404 from error


def _key(text: str | None) -> uuid.UUID | None:
    """The key in ``text``; ``None`` for none, and not found for what is no key."""
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error


def _address(patient: Patient, left: uuid.UUID, right: uuid.UUID) -> str:
    query = urlencode({"left": left, "right": right})
    return f"{reverse('inference:compare', args=[patient.pk])}?{query}"


def _back(request: HttpRequest, patient: Patient, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("patients:detail", patient.pk)


@require_POST
@practising_doctor_required
def read_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Have one radiograph read by the version in production; the old reading is kept.

    Leads back to the page of ours that ``next`` names, or to the reading.
    """
    outcomes, _unknown = readings_reread(user=request.user, radiographs=[pk], request=request)
    if not outcomes:
        raise Http404
    if problem := outcomes[0].problem:
        messages.error(request, problem)
    else:
        messages.success(request, _("The radiograph is queued to be read again."))
    onto = request.POST.get("next", "")
    # A path: a bare word would be taken for the name of a route.
    if onto.startswith("/") and url_has_allowed_host_and_scheme(onto, allowed_hosts=None):
        return redirect(onto)
    return redirect("inference:reading", pk)
