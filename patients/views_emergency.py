"""Emergency access: open one, see those that concern the doctor, end and note them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from operations.audit.wording import object_text
from operations.models import AccessEvent
from operations.selectors import accesses_for
from operations.services import list_read_record
from pneumoniapp.errors import CodedError
from pneumoniapp.paging import keyset_page

from .emergency import emergencies_note, emergency_close, emergency_open
from .forms_emergency import EmergencyForm
from .models import EmergencyAccess
from .selectors import emergencies_list

# Of each emergency access so many looks are shown; the patient's page has all.
SHOWN = 20


@dataclass(frozen=True)
class Look:
    """One event under an emergency access: at what, in words."""

    event: AccessEvent
    what: str


@dataclass(frozen=True)
class Opened:
    """An emergency access, how often something was looked at under it, and what lately."""

    emergency: EmergencyAccess
    number: int
    looks: list[Look]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@practising_doctor_required
def emergencies(request: HttpRequest) -> HttpResponse:
    """Emergency accesses that concern the doctor; POST opens one."""
    if request.method != "POST":
        return _page(request, EmergencyForm(doctor=request.user))
    form = EmergencyForm(request.POST, doctor=request.user)
    status = 422
    if form.is_valid():
        try:
            opened = emergency_open(by=request.user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error.messages)
        except CodedError as error:
            form.add_error(None, str(error))
            status = error.status
        else:
            text = _("The patient is open to you for a while. Their doctor has been told.")
            messages.success(request, text)
            return redirect("patients:detail", opened.patient_id)
    return _page(request, form, status=status)


@require_POST
@practising_doctor_required
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """End one before its time: who opened it, the patient's doctor, an owner of the practice."""
    emergency = get_object_or_404(emergencies_list(request.user), pk=pk)
    emergency_close(emergency=emergency, by=request.user, request=request)
    messages.success(request, _("The emergency access has ended."))
    return redirect("patients:emergency")


@require_POST
@practising_doctor_required
def noted(request: HttpRequest) -> HttpResponse:
    """The doctor has seen what was opened: their pages stop saying it."""
    emergencies_note(by=request.user, request=request)
    return redirect("patients:emergency")


def _rows(page) -> list[Opened]:
    looks = accesses_for([one.reason for one in page], each=SHOWN)
    return [
        Opened(
            emergency=one,
            number=looks[one.reason][0],
            looks=[Look(event, object_text(event.object_type)) for event in looks[one.reason][1]],
        )
        for one in page
    ]


def _page(request: HttpRequest, form: EmergencyForm, status: int = 200) -> HttpResponse:
    page = keyset_page(emergencies_list(request.user), order="-opened_at", params=request.GET)
    list_read_record(object_type="patients.emergencyaccess", request=request, count=len(page))
    context = {"form": form, "page": page, "rows": _rows(page)}
    return render(request, "patients/emergency.html", context, status=status)
