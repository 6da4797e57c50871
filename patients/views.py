"""Pages about patients. An identifier is only ever sent in the body of a POST."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import practising_doctor_required
from operations.services import access_record, list_read_record
from pneumoniapp.errors import CodedError
from pneumoniapp.paging import keyset_page

from .forms import PatientForm
from .models import Patient
from .selectors import (
    SEARCH_LIMIT,
    SORTS,
    emergency_of,
    may_answer,
    may_treat,
    patient_find,
    patient_get,
    patient_owned_get,
    patient_treated_get,
    patients_list,
    patients_search,
    with_radiographs,
)
from .sharing import patient_share, patient_unshare


def patient_or_404(request: HttpRequest, pk: uuid.UUID, get=patient_get) -> Patient:
    try:
        return get(request.user, pk)
    except Patient.DoesNotExist as error:
        raise Http404 from error


@require_GET
@practising_doctor_required
def patient_list(request: HttpRequest) -> HttpResponse:
    """All patients of the doctor, sorted, in pages."""
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "recent"
    patients = patients_list(request.user).select_related("owner")
    page = keyset_page(patients, order=SORTS[sort], params=request.GET)
    with_radiographs(page.rows)
    list_read_record(object_type="patients.patient", request=request, count=len(page))
    return render(request, "patients/list.html", {"page": page, "sort": sort, "sorts": _sorts()})


@require_POST
@practising_doctor_required
def patient_search(request: HttpRequest) -> HttpResponse:
    """Patients by a part of their identifier: rows of the list, or choices for a new reading."""
    words = request.POST.get("q", "")[:64]
    choices = request.POST.get("as") == "choices"
    found = patients_search(request.user, words, treated=choices)
    list_read_record(object_type="patients.patient", request=request, count=len(found))
    context = {"words": words.strip(), "truncated": len(found) == SEARCH_LIMIT}
    if choices:
        # The patient chosen before, so that searching does not lose the choice.
        chosen = patient_find(request.user, request.POST.get("patient", ""), patient_treated_get)
        context |= {"patients": found, "chosen": chosen}
        return render(request, "patients/_choices.html", context)
    context |= {"page": with_radiographs(found), "sort": "", "sorts": _sorts()}
    template = "patients/_rows.html" if request.htmx else "patients/list.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
@practising_doctor_required
def patient_new(request: HttpRequest) -> HttpResponse:
    form = PatientForm(request.POST or None)
    if request.method == "POST" and (patient := form.create(owner=request.user, request=request)):
        messages.success(request, _("The patient is recorded."))
        return redirect("patients:detail", patient.pk)
    return render(request, "patients/form.html", {"form": form}, status=_status(form))


@require_GET
@practising_doctor_required
def patient_detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What is known of the patient, and the history of readings."""
    patient = patient_or_404(request, pk)
    access_record(actor=request.user, action="read", obj=patient, request=request)
    context = {
        "patient": patient,
        "treats": may_treat(request.user, patient),
        "answers": may_answer(request.user, patient),
        "owns": patient.owner_id == request.user.pk,
        "emergency": emergency_of(request.user, patient),
    }
    return render(request, "patients/detail.html", context)


@require_http_methods(["GET", "POST"])
@practising_doctor_required
def patient_edit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    patient = patient_or_404(request, pk, patient_treated_get)
    form = PatientForm(request.POST or None, instance=patient)
    form.fields["identifier"].disabled = not may_answer(request.user, patient)
    if request.method == "POST" and form.update(by=request.user, request=request):
        messages.success(request, _("The patient's record is corrected."))
        return redirect("patients:detail", patient.pk)
    if request.method == "GET":
        access_record(actor=request.user, action="read", obj=patient, request=request)
    return render(
        request, "patients/form.html", {"form": form, "patient": patient}, status=_status(form)
    )


@require_POST
@practising_doctor_required
def patient_sharing(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Share one of the doctor's own patients with their practice, or take the patient back."""
    patient = patient_or_404(request, pk, patient_owned_get)
    try:
        if "share" in request.POST:
            patient_share(patient=patient, by=request.user, request=request)
            messages.success(request, _("The patient is shared with your practice."))
        else:
            patient_unshare(patient=patient, by=request.user, request=request)
            messages.success(request, _("The patient is yours alone again."))
    except CodedError as error:
        messages.error(request, str(error))
    return redirect("patients:detail", patient.pk)


def _status(form: PatientForm) -> int:
    return 422 if form.is_bound else 200


def _sorts() -> dict[str, str]:
    return {
        "recent": _("Newest first"),
        "oldest": _("Oldest first"),
        "identifier": _("Identifier"),
        "birth_date": _("Birth date, oldest first"),
        "birth_date_desc": _("Birth date, youngest first"),
    }
