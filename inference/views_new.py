"""The page on which a doctor sends radiographs to be read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from patients.forms import PatientForm
from patients.models import Patient
from patients.selectors import patient_find, patients_search
from pneumoniapp.errors import CodedError
from radiology.dicom.header import peek_header
from radiology.intake import examine
from radiology.services import files_removed_on_failure
from radiology.warnings import warning_sentence, warnings_now

from .errors import FileHeadInvalidError
from .forms import NEW_PATIENT, NewReadingForm
from .header_facts import header_facts
from .services import Reading, reading_submit

RECENT_PATIENTS = 5
HEADER_BYTES = 256 * 1024


@dataclass(frozen=True)
class Outcome:
    """What became of one file that was sent."""

    name: str
    reading: Reading | None = None
    error: CodedError | None = None
    acquired_on: dt.date | None = None

    @property
    def date_was_kept(self) -> bool:
        """Whether a date was typed for a radiograph that is stored with another one."""
        if not self.reading or self.reading.created or not self.acquired_on:
            return False
        return self.acquired_on != self.reading.radiograph.acquired_on

    @property
    def warnings(self) -> list[str]:
        if not self.reading:
            return []
        radiograph = self.reading.radiograph
        sentences = [warning_sentence(entry) for entry in warnings_now(radiograph)]
        if self.date_was_kept:
            day = date_format(radiograph.acquired_on, "DATE_FORMAT")
            sentences.insert(
                0,
                _(
                    "The date that you typed was not used: this radiograph is stored with the "
                    "date %(date)s."
                )
                % {"date": day},
            )
        return sentences

    @property
    def url(self) -> str:
        """The page of the reading; its query says what there is to say of the upload."""
        url = reverse("inference:reading", args=[self.reading.radiograph.pk])
        if self.reading.created:
            return url
        return f"{url}?known={'date' if self.date_was_kept else 1}"

    def as_json(self) -> dict:
        if self.error:
            return {"error": {"code": self.error.code, "sentence": str(self.error)}}
        return {
            "url": self.url,
            "result_url": reverse("inference:result", args=[self.reading.radiograph.pk]),
            "created": self.reading.created,
            "warnings": self.warnings,
        }


@require_http_methods(["GET", "POST"])
@practising_doctor_required
def reading_new(request: HttpRequest) -> HttpResponse:
    """Send one or more radiographs of one patient, an old or a new one.

    The page's script sends each file in a request of its own and asks for JSON:
    ``{"patient": key, "results": [{"url", "result_url", "created", "warnings"} | {"error"}]}``, or
    ``{"errors": {field: [{"message", "code"}]}}``. Without the script the answer is a page.
    """
    if request.method == "GET" or request.POST.get("action") == "search":
        return _page(request)
    form = NewReadingForm(request.POST, request.FILES, doctor=request.user)
    new = request.POST.get("patient") == NEW_PATIENT
    patient_form = PatientForm(request.POST if new else None)
    if not form.is_valid() or (new and not patient_form.is_valid()):
        return _refused(request, form, patient_form)

    patient = form.cleaned_data["patient"]
    outcomes: list[Outcome] = []
    for file in form.cleaned_data["files"]:
        outcome, patient = _submit(request, file, patient, patient_form, form)
        if patient_form.is_bound and not patient_form.is_valid():
            return _refused(request, form, patient_form)
        outcomes.append(outcome)
    return _answer(request, form, patient_form, outcomes, patient)


def _submit(request, file, patient, patient_form, form) -> tuple[Outcome, Patient | None]:
    """Send one file; a new patient is kept only together with an accepted file."""
    acquired_on = form.cleaned_data["acquired_on"]
    try:
        arguments = {
            "uploaded_by": request.user,
            "file": examine(file),
            "acquired_on": acquired_on,
            "request": request,
        }
        if patient:
            reading = reading_submit(patient=patient, **arguments)
            return Outcome(file.name, reading=reading, acquired_on=acquired_on), patient
        with files_removed_on_failure(), transaction.atomic():
            owner = patient_form.create(owner=request.user, request=request)
            if owner is None:
                return Outcome(file.name), None
            reading = reading_submit(patient=owner, **arguments)
    except CodedError as error:
        return Outcome(file.name, error=error), patient
    return Outcome(file.name, reading=reading, acquired_on=acquired_on), owner


def _answer(request, form, patient_form, outcomes, patient) -> HttpResponse:
    errors = [outcome.error for outcome in outcomes if outcome.error]
    status = errors[0].status if len(errors) == len(outcomes) else 200
    if _wants_json(request):
        results = [outcome.as_json() for outcome in outcomes]
        return JsonResponse(
            {"patient": str(patient.pk) if patient else None, "results": results}, status=status
        )
    if len(outcomes) == 1:
        reading = outcomes[0].reading
        if reading is None:
            form.add_error("files", str(errors[0]))
            return _page(request, form, patient_form, status=status)
        return redirect(outcomes[0].url)
    context = {"outcomes": outcomes, "patient": patient}
    return render(request, "readings/sent.html", context, status=status)


def _refused(request, form, patient_form) -> HttpResponse:
    if _wants_json(request):
        errors = {**patient_form.errors.get_json_data(), **form.errors.get_json_data()}
        return JsonResponse({"errors": errors}, status=422)
    return _page(request, form, patient_form, status=422)


def _page(request, form=None, patient_form=None, status: int = 200) -> HttpResponse:
    """The form, with what was typed; files must be chosen again, as browsers will have it."""
    words = request.POST.get("q", "").strip()[:64]
    key = request.POST.get("patient") or request.GET.get("patient", "")
    chosen = patient_find(request.user, key)
    found = patients_search(request.user, words, limit=RECENT_PATIENTS if not words else 50)
    if form is None:
        form = NewReadingForm(doctor=request.user, initial=request.POST.dict())
    if patient_form is None:
        patient_form = PatientForm(initial=request.POST.dict())
    context = {
        "form": form,
        "patient_form": patient_form,
        "patients": found,
        "words": words,
        "chosen": chosen,
        "is_new": request.POST.get("patient") == NEW_PATIENT or not (found or chosen or words),
        "header_bytes": HEADER_BYTES,
    }
    return render(request, "readings/new.html", context, status=status)


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


@require_POST
@practising_doctor_required
def reading_inspect(request: HttpRequest) -> JsonResponse:
    """What the first bytes of a chosen file say, so that the page can prefill and compare.

    Takes ``head``, at most the first 256 KiB. Nothing is stored. The answer is
    ``{"facts", "fields", "warnings"}`` (see :func:`inference.header_facts.header_facts`)
    or ``{"error": {"code", "sentence"}}`` with the error's status.
    """
    head = request.FILES.get("head")
    try:
        if head is None or head.size > HEADER_BYTES:
            raise FileHeadInvalidError(bytes=HEADER_BYTES)
        return JsonResponse(header_facts(peek_header(head)))
    except CodedError as error:
        answer = {"error": {"code": error.code, "sentence": str(error)}}
        return JsonResponse(answer, status=error.status)
