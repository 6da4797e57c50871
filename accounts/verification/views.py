"""Where a doctor sees how the verification stands, and does what is left to do for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import home_url
from accounts.models import Doctor
from operations.services import access_record
from pneumoniapp.errors import CodedError

from .forms import ApplicationForm, ProofForm
from .models import RegistrationProof, Verification
from .proofs import WANTED, proof_delete, proof_store
from .services import MAY_APPLY, doctor_apply, verification_expire


def for_who_waits(view: Callable) -> Callable:
    """Let only accounts reach ``view`` that may not work with patients; others are sent home."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.user.is_staff or request.user.may_practise:
            return redirect(home_url(request.user))
        if request.method == "POST":
            verification_expire(doctor=request.user)
        return view(request)

    return guarded


@for_who_waits
@require_safe
def waiting(request: HttpRequest) -> HttpResponse:
    """Why this account can't work with patients yet, or any more, and what to do."""
    return _page(request)


@for_who_waits
@require_POST
def apply(request: HttpRequest) -> HttpResponse:
    """Ask again, with names and number as they are now."""
    form = ApplicationForm(request.POST, instance=_copy(request.user))
    if not form.is_valid():
        return _page(request, application=form, status=422)
    try:
        doctor_apply(doctor=request.user, request=request, **form.cleaned_data)
    except CodedError as error:
        messages.error(request, str(error))
    except IntegrityError:
        # Another account took the number in this moment.
        form.add_error("registration_number", _number_taken())
        return _page(request, application=form, status=422)
    else:
        messages.success(request, _("Your request is recorded. You get an e-mail either way."))
    return redirect("accounts:waiting")


@for_who_waits
@require_POST
def proof(request: HttpRequest) -> HttpResponse:
    """Send a document, or take it back."""
    if "remove" in request.POST:
        proof_delete(doctor=request.user)
        access_record(
            actor=request.user,
            action="delete",
            object_type=RegistrationProof._meta.label_lower,
            object_id=request.user.pk,
            request=request,
        )
        messages.success(request, _("The document is deleted."))
        return redirect("accounts:waiting")
    form = ProofForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, proof_form=form, status=422)
    try:
        proof_store(doctor=request.user, file=form.cleaned_data["proof"], request=request)
    except CodedError as error:
        form.add_error("proof", str(error))
        return _page(request, proof_form=form, status=error.status)
    messages.success(request, _("The document has been received."))
    return redirect("accounts:waiting")


def _page(
    request: HttpRequest,
    *,
    application: ApplicationForm | None = None,
    proof_form: ProofForm | None = None,
    status: int = 200,
) -> HttpResponse:
    doctor = _copy(request.user)
    state = Verification.EXPIRED if doctor.term_is_over else doctor.verification
    is_doctor = bool(doctor.registration_number)
    context = {
        "state": state if is_doctor else "",
        "contact": settings.CONTACT_EMAIL,
        "steps": doctor.verification_steps.all()[:20],
        "last": doctor.verification_steps.first(),
    }
    if is_doctor and state in MAY_APPLY:
        context["application"] = application or ApplicationForm(instance=doctor)
    if is_doctor and state in WANTED:
        context["proof"] = RegistrationProof.objects.filter(doctor=doctor).first()
        context["proof_form"] = proof_form or ProofForm()
    return render(request, "accounts/waiting.html", context, status=status)


def _copy(doctor) -> Doctor:
    """A row of its own: a refused change must not show in the page around the form."""
    return Doctor.objects.get(pk=doctor.pk)


def _number_taken() -> str:
    return Doctor._meta.get_field("registration_number").error_messages["unique"]
