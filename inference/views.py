"""Pages that show readings: the list, one reading, its state while it is awaited."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import practising_doctor_required
from operations.services import access_record, list_read_record
from patients.selectors import patient_find
from pneumoniapp.errors import CodedError
from pneumoniapp.paging import keyset_page
from radiology.files import versioned_response

from .forms import OwnClassForm, ReadingFilterForm, ReviewForm
from .models import Analysis
from .presentation import ReadingView
from .selectors import (
    Whose,
    analysis_get,
    judged_analysis_get,
    reading_get,
    readings_list,
    sought,
    treated_reading_get,
)
from .services import analysis_requeue, review_before_reading, review_create


@require_GET
@practising_doctor_required
def reading_list(request: HttpRequest) -> HttpResponse:
    """The doctor's radiographs with their readings, filtered by the address, in pages."""
    form = ReadingFilterForm(request.GET)
    lookups = form.lookups
    rows = readings_list(request.user, form.scope)
    if form.scope != Whose.MINE:
        rows = rows.select_related("owner")
    page = keyset_page(
        sought(rows, request.user, lookups),
        order="-radiograph__acquired_on",
        key="radiograph__pk",
        params=request.GET,
    )
    patient = None
    if key := lookups.get("radiograph__patient"):
        patient = patient_find(request.user, key)
    list_read_record(object_type="radiology.radiograph", request=request, count=len(page))
    context = {
        "page": page,
        "form": form,
        "patient": patient,
        "whose": form.scope,
        "filtered": bool(lookups),
    }
    return render(request, "readings/list.html", context)


@require_GET
@never_cache
@practising_doctor_required
def reading_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One radiograph with its reading, or with what is happening to it."""
    analysis = _analysis_or_404(request, pk)
    access_record(actor=request.user, action="read", obj=analysis.radiograph, request=request)
    return _render_reading(request, analysis)


def _render_reading(request, analysis, review_form=None, status: int = 200) -> HttpResponse:
    reading = ReadingView(analysis, request.user)
    context = {
        "reading": reading,
        "review_form": review_form or _review_form(reading),
        "known": request.GET.get("known", ""),
    }
    return render(request, "readings/reading.html", context, status=status)


def _review_form(reading: ReadingView) -> ReviewForm | OwnClassForm | None:
    """The empty form for what the doctor is asked; ``None`` while there is nothing to judge."""
    if reading.analysis.status != Analysis.Status.DONE:
        return None
    if reading.withheld:
        return OwnClassForm()
    own = reading.own_review
    # Who saw otherwise before the reading was shown keeps that class by saying why.
    initial = {"label": own.label} if own and own.needs_reason else {}
    return ReviewForm(analysis=reading.analysis, initial=initial)


@require_GET
@never_cache
@practising_doctor_required
def reading_viewer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The radiograph of one reading as large as the window."""
    analysis = _analysis_or_404(request, pk)
    access_record(actor=request.user, action="read", obj=analysis.radiograph, request=request)
    return render(request, "readings/viewer.html", {"reading": ReadingView(analysis, request.user)})


@require_GET
@never_cache
@practising_doctor_required
def reading_status(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The fragment that the reading page asks for until the reading is finished.

    ``shown`` names the state that the page shows: while that has not changed, only the
    next question comes back, so that a screen reader is not told the same thing twice.
    """
    analysis = _analysis_or_404(request, pk)
    reading = ReadingView(analysis, request.user)
    changed = request.GET.get("shown") != reading.state
    if changed and analysis.is_finished:
        access_record(actor=request.user, action="read", obj=analysis.radiograph, request=request)
    context = {
        "reading": reading,
        "changed": changed,
        "review_form": _review_form(reading) if changed else None,
    }
    return render(request, "readings/_status.html", context)


@require_GET
@never_cache
@practising_doctor_required
def reading_result(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One reading in a line, for a page that shows several; it asks until the end.

    ``shown`` names the status that the line shows: while it is the same, the answer is empty.
    """
    analysis = _analysis_or_404(request, pk)
    if request.GET.get("shown") == analysis.status:
        return HttpResponse(status=204)
    if analysis.is_finished:
        access_record(actor=request.user, action="read", obj=analysis.radiograph, request=request)
    return render(request, "readings/_line.html", {"analysis": analysis})


@require_POST
@practising_doctor_required
def reading_retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Send a failed reading to the queue again."""
    analysis = _analysis_or_404(request, pk, treated_reading_get)
    try:
        analysis_requeue(analysis=analysis, requested_by=request.user, request=request)
    except CodedError as error:
        messages.error(request, str(error))
    return redirect("inference:reading", pk)


@require_POST
@practising_doctor_required
def reading_review(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Approve or contest one analysis; for who reads first, say what they see before it."""
    try:
        analysis = judged_analysis_get(request.user, pk)
    except Analysis.DoesNotExist as error:
        raise Http404 from error
    if analysis.withheld:
        form, record = OwnClassForm(request.POST), review_before_reading
    else:
        form, record = ReviewForm(request.POST, analysis=analysis), review_create
    if form.is_valid():
        try:
            record(analysis=analysis, doctor=request.user, request=request, **form.cleaned_data)
        except CodedError as error:
            form.add_error(getattr(error, "field", None), str(error))
        else:
            messages.success(request, _("Your judgement is recorded."))
            return redirect("inference:reading", analysis.radiograph_id)
    return _render_reading(request, analysis, form, status=422)


@require_GET
@practising_doctor_required
def reading_map(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The class activation map of one analysis: a PNG to lay over the preview."""
    try:
        analysis = analysis_get(request.user, pk)
        if not analysis.map:
            raise Http404
        # A finished analysis keeps its map.
        response = versioned_response(
            request, analysis.map, version=f"map-{analysis.pk}", content_type="image/png"
        )
    except (Analysis.DoesNotExist, FileNotFoundError) as error:
        raise Http404 from error
    access_record(
        actor=request.user,
        action="read",
        obj=analysis.radiograph,
        channel="media",
        request=request,
    )
    return response


def _analysis_or_404(request: HttpRequest, pk: uuid.UUID, get=reading_get) -> Analysis:
    try:
        return get(request.user, pk)
    except Analysis.DoesNotExist as error:
        raise Http404 from error
