"""The worklist: what waits for the doctor's judgement, and what may be done from there."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import practising_doctor_required
from operations.services import access_record, list_read_record
from pneumoniapp.errors import CodedError

from .errors import ReadingWithheldError
from .models import Analysis, Review
from .selectors import reading_get, treated_analysis_get
from .services import review_create
from .wording import labels_of
from .worklist import (
    PLACE_COOKIE,
    WorklistFilterForm,
    newest_finish,
    place_of,
    worklist_address,
    worklist_counts,
    worklist_news,
    worklist_page,
    worklist_scope,
)
from .worklist_bulk import (
    EXPORT_LIMIT,
    SELECTION_LIMIT,
    export_keys,
    export_lines,
    readings_reread,
)


@require_GET
@never_cache
@practising_doctor_required
def worklist(request: HttpRequest) -> HttpResponse:
    """The doctor's readings that wait, the most urgent first, filtered by the address."""
    form = WorklistFilterForm(request.GET)
    # Before the page is read: what is finished in between is told as new, not lost.
    since = newest_finish(request.user, form.scope)
    page = worklist_page(request.user, form.lookups, request.GET, form.scope)
    place = place_of(request.GET)
    list_read_record(object_type="radiology.radiograph", request=request, count=len(page))
    context = {
        "page": page,
        "form": form,
        "whose": form.scope,
        "counts": worklist_counts(request.user, form.scope),
        "since": since.isoformat() if since else "",
        "place": place,
        "export_limit": EXPORT_LIMIT,
    }
    response = render(request, "worklist/worklist.html", context)
    # Filters and a page: so the pages of readings lead back to the same place.
    response.set_cookie(
        PLACE_COOKIE,
        place,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


@require_GET
@never_cache
@practising_doctor_required
def news(request: HttpRequest) -> HttpResponse:
    """The fragment that says how many readings came since the page was made.

    Empty (204) while that is what the page says already (``shown``).
    """
    form = WorklistFilterForm(request.GET)
    count = worklist_news(request.user, form.lookups, request.GET.get("since", ""), form.scope)
    if str(count) == request.GET.get("shown", "0"):
        return HttpResponse(status=204)
    filters = request.GET.copy()
    for name in ("after", "before"):
        filters.pop(name, None)
    return render(request, "worklist/_news.html", {"count": count, "place": place_of(filters)})


@require_POST
@practising_doctor_required
def approve(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Agree with one reading from the list; the row stays where it is and says so."""
    try:
        analysis = treated_analysis_get(request.user, pk)
    except Analysis.DoesNotExist as error:
        raise Http404 from error
    problem = _approve(request, analysis)
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        else:
            messages.success(request, _("Your judgement is recorded."))
        return redirect(worklist_address(request, analysis.radiograph_id))
    context = {
        "analysis": reading_get(request.user, analysis.radiograph_id),
        "problem": problem,
        "said": problem or _("Your judgement is recorded."),
        "counts": worklist_counts(request.user, whose := worklist_scope(request)),
        "whose": whose,
    }
    return render(request, "worklist/_approved.html", context)


def _approve(request: HttpRequest, analysis: Analysis) -> str:
    """What was in the way, in a sentence; empty when the reading is approved."""
    if analysis.withheld:
        return str(ReadingWithheldError())
    if not analysis.is_current:
        return _("The radiograph was read again meanwhile: judge the new reading.")
    if analysis.status == Analysis.Status.DONE and len(labels_of(analysis)) != 1:
        return _("This reading does not name one class: open it to judge it.")
    if analysis.judgement == Review.Verdict.APPROVED:
        return ""  # Pressed twice: once is enough.
    try:
        review_create(
            analysis=analysis,
            doctor=request.user,
            verdict=Review.Verdict.APPROVED,
            request=request,
        )
    except CodedError as error:
        return str(error)
    return ""


@require_POST
@practising_doctor_required
def reread(request: HttpRequest) -> HttpResponse:
    """Queue the selected readings again; what became of each, one by one."""
    radiographs = _selected(request)
    if problem := _problem(radiographs):
        messages.error(request, problem)
        return redirect(worklist_address(request))
    outcomes, unknown = readings_reread(user=request.user, radiographs=radiographs, request=request)
    for outcome in outcomes:
        access_record(
            actor=request.user, action="read", obj=outcome.analysis.radiograph, request=request
        )
    context = {
        "outcomes": outcomes,
        "unknown": unknown,
        "queued": sum(not outcome.problem for outcome in outcomes),
    }
    return render(request, "worklist/reread.html", context)


@require_POST
@practising_doctor_required
def export(request: HttpRequest) -> HttpResponse:
    """The selected readings, or all that the filters leave, as a CSV file."""
    radiographs = None
    if request.POST.get("what") != "all":
        radiographs = _selected(request)
        if problem := _problem(radiographs):
            messages.error(request, problem)
            return redirect(worklist_address(request))
    form = WorklistFilterForm(QueryDict(request.POST.get("place", "")))
    keys, more = export_keys(
        user=request.user,
        # What is selected is exported, also when it was judged a moment ago.
        lookups=form.lookups if radiographs is None else {},
        whose=form.scope,
        radiographs=radiographs,
        request=request,
    )
    lines = export_lines(
        user=request.user, keys=keys, more=more, language=get_language(), whose=form.scope
    )
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"worklist-{timezone.localdate():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _selected(request: HttpRequest) -> list[uuid.UUID]:
    """The keys of the selected radiographs, each once; what is no key is left out."""
    found = {}
    for text in request.POST.getlist("radiograph"):
        try:
            found[uuid.UUID(text)] = True
        except ValueError:
            continue
    return list(found)


def _problem(radiographs: list[uuid.UUID]) -> str:
    if not radiographs:
        return _("Select at least one reading.")
    if len(radiographs) > SELECTION_LIMIT:
        return _("Select %(count)s readings at most.") % {"count": SELECTION_LIMIT}
    return ""
