"""Second readings: ask a colleague, take it back, and what was asked of oneself."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import practising_doctor_required
from operations.services import list_read_record
from pneumoniapp.errors import CodedError
from pneumoniapp.paging import keyset_page
from radiology.models import SecondReading
from radiology.second_readings import second_reading_ask, second_reading_withdraw

from .models import Analysis
from .second_rows import second_rows, second_rows_list
from .selectors import own_reading_get


@require_GET
@never_cache
@practising_doctor_required
def second_reading_list(request: HttpRequest) -> HttpResponse:
    """The second readings that the doctor is asked for, and those that they asked for."""
    found = second_rows_list(request.user)
    page = keyset_page(found, order="-asked_at", params=request.GET)
    list_read_record(object_type="radiology.secondreading", request=request, count=len(page))
    context = {"page": page, "rows": second_rows(request.user, page.rows)}
    return render(request, "second/list.html", context)


@require_POST
@practising_doctor_required
def second_reading_new(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask a colleague for a second reading of one of the doctor's own radiographs."""
    try:
        analysis = own_reading_get(request.user, pk)
    except Analysis.DoesNotExist as error:
        raise Http404 from error
    try:
        second_reading_ask(
            radiograph=analysis.radiograph,
            asked_by=request.user,
            address=request.POST.get("address", "")[:254],
            request=request,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except CodedError as error:
        messages.error(request, str(error))
    else:
        text = _(
            "Your request is recorded. If a doctor who may practise here has this address or "
            "number, they are told by mail and see this radiograph with its reading."
        )
        messages.success(request, text)
    return redirect("inference:reading", pk)


@require_POST
@practising_doctor_required
def second_reading_end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Withdraw what the doctor asked for."""
    second = get_object_or_404(SecondReading, pk=pk, asked_by=request.user)
    second_reading_withdraw(second=second, by=request.user, request=request)
    messages.success(request, _("The request is withdrawn: that radiograph is closed to them."))
    return redirect("inference:reading", second.radiograph_id)
