"""The page on which a doctor sends radiographs to be read."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from operations.services import list_read_record
from patients.forms import PatientForm
from patients.selectors import patient_find, patient_treated_get, patients_search
from pneumoniapp.errors import CodedError
from radiology.dicom.header import peek_header
from radiology.errors import PatientMismatchError
from radiology.uploads import PIECE_BYTES

from .errors import FileHeadInvalidError
from .forms import NEW_PATIENT, NewReadingForm
from .header_facts import header_facts
from .sending import PatientRefusedError, Sending

RECENT_PATIENTS = 5
HEADER_BYTES = 256 * 1024


@require_http_methods(["GET", "POST"])
@practising_doctor_required
def reading_new(request: HttpRequest) -> HttpResponse:
    """Send one or more radiographs of one patient, an old or a new one, or ZIP archives of them.

    The page's script sends each file in a request of its own and asks for JSON:
    ``{"patient": key, "results": [{"url", "result_url", "created", "warnings"} | {"error"}]}``, or
    ``{"errors": {field: [{"message", "code"}]}}``. Each file of an archive has a result, with
    its ``name`` and ``state``; ``next`` is the ``start`` of the request that goes on with the
    archive (see :class:`inference.forms.NewReadingForm`). Without the script the answer is a
    page.
    """
    if request.method == "GET" or request.POST.get("action") == "search":
        return _page(request)
    form = NewReadingForm(request.POST, request.FILES, doctor=request.user)
    new = request.POST.get("patient") == NEW_PATIENT
    patient_form = PatientForm(request.POST if new else None)
    if not form.is_valid() or (new and not patient_form.is_valid()):
        return _refused(request, form, patient_form)

    sending = Sending(
        request,
        patient=form.cleaned_data["patient"],
        patient_form=patient_form,
        acquired_on=form.cleaned_data["acquired_on"],
        again=form.cleaned_data["again"],
        confirm_mismatch=form.cleaned_data["confirm_mismatch"],
    )
    following = None
    try:
        if upload := form.cleaned_data["upload"]:
            following = sending.take_upload(
                upload,
                checksum=form.cleaned_data["checksum"] or 0,
                start=form.cleaned_data["start"] or 0,
            )
        else:
            for file in form.cleaned_data["files"]:
                sending.take(file, file.name)
    except PatientRefusedError:
        return _refused(request, form, patient_form)
    return _answer(request, form, sending, following)


def _answer(request, form, sending: Sending, following: int | None) -> HttpResponse:
    outcomes, patient, status = sending.outcomes, sending.patient, sending.status
    if _wants_json(request):
        answer = {
            "patient": str(patient.pk) if patient else None,
            "results": [outcome.as_json() for outcome in outcomes],
        }
        if following is not None:
            answer["next"] = following
        return JsonResponse(answer, status=status)
    if len(outcomes) == 1:
        if outcomes[0].error:
            field = "files" if "files" in form.fields else None
            for sentence in (str(outcomes[0].error), *outcomes[0].warnings):
                form.add_error(field, sentence)
            return _page(request, form, sending.patient_form, status=status)
        return redirect(outcomes[0].url)
    context = {"outcomes": outcomes, "counts": sending.counts, "patient": patient}
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
    chosen = patient_find(request.user, key, patient_treated_get)
    limit = RECENT_PATIENTS if not words else 50
    found = patients_search(request.user, words, limit=limit, treated=True)
    if shown := {patient.pk for patient in [*found, chosen] if patient}:
        list_read_record(object_type="patients.patient", request=request, count=len(shown))
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
        "piece_bytes": PIECE_BYTES,
        "confirms": status == PatientMismatchError.status and request.method == "POST",
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
