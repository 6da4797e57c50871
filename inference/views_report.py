"""Readings as PDF, for the doctor whose patient it is."""

from __future__ import annotations

import uuid

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.access import practising_doctor_required
from operations.services import access_record
from patients.models import Patient
from patients.selectors import patient_get
from radiology.files import file_bytes

from .errors import AnalysisNotDoneError, ReadingWithheldError, ReportFailedError
from .models import Analysis
from .report.content import LONGEST_HISTORY, MAP, RADIOGRAPH, patient_report, reading_report
from .report.rendering import report_pdf
from .selectors import known_reading_get, patient_analyses


@require_GET
@practising_doctor_required
def reading_report_pdf(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The current reading of one radiograph as PDF; 409 while there is none to be seen."""
    try:
        analysis = known_reading_get(request.user, pk)
    except Analysis.DoesNotExist as error:
        raise Http404 from error
    access_record(
        actor=request.user,
        action="read",
        obj=analysis.radiograph,
        channel="export",
        request=request,
    )
    if analysis.withheld or analysis.status != Analysis.Status.DONE:
        error = ReadingWithheldError() if analysis.withheld else AnalysisNotDoneError()
        context = {"error": error, "analysis": analysis}
        return render(request, "errors/report.html", context, status=error.status)
    history = _history(request, analysis.radiograph.patient)

    def pdf(files: dict[str, bytes], *, damaged: bool = False) -> bytes:
        report = reading_report(
            analysis,
            history,
            made_by=request.user,
            pictures=None if damaged else set(files),
            link=request.build_absolute_uri,
        )
        return report_pdf(report, files)

    files = {RADIOGRAPH: _bytes(analysis.radiograph.preview), MAP: _bytes(analysis.map)}
    try:
        data = pdf({name: data for name, data in files.items() if data})
    except ReportFailedError:
        # A picture that was damaged on the disk takes nothing else with it.
        data = pdf({}, damaged=True)
    return _answer(data, f"reading-{pk}.pdf")


@require_GET
@practising_doctor_required
def patient_report_pdf(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All readings of one patient as PDF."""
    try:
        patient = patient_get(request.user, pk)
    except Patient.DoesNotExist as error:
        raise Http404 from error
    access_record(actor=request.user, action="read", obj=patient, channel="export", request=request)
    history = _history(request, patient)
    link = request.build_absolute_uri
    report = patient_report(patient, history, made_by=request.user, link=link)
    return _answer(report_pdf(report, {}), f"patient-{pk}.pdf")


def _history(request: HttpRequest, patient: Patient) -> list[Analysis]:
    return list(patient_analyses(request.user, patient)[: LONGEST_HISTORY + 1])


def _bytes(file: FieldFile) -> bytes:
    """The stored file; empty when there is none."""
    if not file:
        return b""
    try:
        return file_bytes(file)
    except FileNotFoundError:
        return b""


def _answer(data: bytes, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
