"""Patients' data given out and erased, for their doctor; and a doctor's own data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from operations.services import access_record
from patients.forms import ErasureForm
from patients.models import Erasure, Patient
from patients.retention import retention_end_of
from patients.selectors import patient_answered_get, patient_treated_get
from pneumoniapp.reauthentication import reauthenticated

from .privacy.doctor_export import doctor_export
from .privacy.erasure import erasure_request
from .privacy.export import patient_export


@require_POST
@login_required
@reauthenticated
def account_export_zip(request: HttpRequest) -> HttpResponse:
    """All that is known of whoever asks, whatever they may do here, as a ZIP archive."""
    pieces = doctor_export(doctor=request.user, by=request.user, request=request)
    return zip_answer(pieces, "account.zip")


@require_POST
@practising_doctor_required
@reauthenticated
def patient_export_zip(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All of a patient's data as a ZIP archive, sent while it is made."""
    patient = patient_or_404(request, pk, patient_treated_get)
    return zip_answer(
        patient_export(patient=patient, by=request.user, request=request), f"patient-{pk}.zip"
    )


@require_http_methods(["GET", "POST"])
@practising_doctor_required
@reauthenticated
def patient_erasure(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask for a patient's data to be erased; past the term of retention it is, at once."""
    patient = patient_or_404(request, pk, patient_answered_get)
    form = ErasureForm(request.POST or None)
    if request.method == "POST" and (
        erasure := form.request_with(
            erasure_request, patient=patient, by=request.user, request=request
        )
    ):
        if erasure.state == Erasure.State.PENDING:
            messages.success(request, _("The request is recorded; the administration decides."))
            return redirect("patients:detail", patient.pk)
        messages.success(request, _("The patient's data is erased."))
        return redirect("patients:list")
    if request.method == "GET":
        access_record(actor=request.user, action="read", obj=patient, request=request)
    until = retention_end_of(patient)
    context = {
        "patient": patient,
        "form": form,
        "until": until,
        "is_over": until < timezone.localdate(),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "privacy/erasure.html", context, status=status)


def patient_or_404(request: HttpRequest, pk: uuid.UUID, get) -> Patient:
    try:
        return get(request.user, pk)
    except Patient.DoesNotExist as error:
        raise Http404 from error


def zip_answer(pieces: Iterator[bytes], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
