"""The page on which an administrator compares what is known of a doctor, and decides."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from accounts.validators import validate_registration_number
from operations.services import access_record
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthentication_check

from .directory import look_up
from .models import RegistrationProof, Verification
from .services import doctor_refuse, doctor_suspend, doctor_verify

DECISIONS = {"verify": doctor_verify, "refuse": doctor_refuse, "suspend": doctor_suspend}


class DecisionForm(forms.Form):
    """``decision`` is one that the doctor's state allows."""

    decision = forms.ChoiceField(label=_("Decision"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text=_("The doctor reads it, on their page and by mail. A refusal needs one."),
    )

    # The name that stood on the page: another one is not decided upon unseen.
    name = forms.CharField(widget=forms.HiddenInput, strip=False, required=False)

    def __init__(self, *args, doctor, **kwargs) -> None:
        super().__init__(*args, initial={"name": doctor.get_full_name()}, **kwargs)
        state = doctor.verification
        names = {"verify": _("Verify"), "refuse": _("Refuse"), "suspend": _("Suspend")}
        if state == Verification.VERIFIED:
            names["verify"] = _("Verify for another term")
        if state != Verification.PENDING:
            del names["refuse"]
        if state == Verification.SUSPENDED:
            del names["suspend"]
        self.fields["decision"].choices = names.items()


class VerificationPages:
    """Adds the page and the document to the admin of doctors (a ``ModelAdmin``)."""

    change_form_template = "admin/accounts/doctor/change_form.html"

    def get_urls(self):
        view, document = map(self.admin_site.admin_view, (self.verification, self.proof))
        return [
            path("<int:pk>/verification/", view, name="accounts_doctor_verification"),
            path("<int:pk>/verification/proof/", document, name="accounts_doctor_proof"),
            *super().get_urls(),
        ]

    def _doctor(self, request: HttpRequest, pk: int):
        doctor = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_change_permission(request, doctor):
            raise PermissionDenied
        if not doctor.registration_number:
            raise Http404
        return doctor

    def verification(self, request: HttpRequest, pk: int) -> HttpResponse:
        """All that tells whether this is the registered doctor, and the decision."""
        doctor = self._doctor(request, pk)
        form = DecisionForm(request.POST or None, doctor=doctor)
        if request.method == "POST" and form.is_valid():
            reauthentication_check(request)
            if self._decide(request, doctor, **form.cleaned_data):
                return redirect("admin:accounts_doctor_verification", pk)
            doctor = self._doctor(request, pk)
            # What is looked at from here on is the name as it is now.
            again = request.POST.copy()
            again["name"] = doctor.get_full_name()
            form = DecisionForm(again, doctor=doctor)
        access_record(actor=request.user, action="read", obj=doctor, request=request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Verification"),
            "opts": self.opts,
            "doctor": doctor,
            "email_confirmed": self.email_confirmed(doctor),
            "number_fault": _number_fault(doctor.registration_number),
            "finding": look_up(doctor),
            "proof": RegistrationProof.objects.filter(doctor=doctor).first(),
            "steps": doctor.verification_steps.select_related("by")[:50],
            "form": form,
        }
        template = "admin/accounts/doctor/verification.html"
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, template, context, status=status)

    def _decide(
        self, request: HttpRequest, doctor, *, decision: str, reason: str, name: str
    ) -> bool:
        facts = {} if decision == "suspend" else {"name": name}
        if decision != "verify":
            facts["reason"] = reason
        try:
            DECISIONS[decision](doctor=doctor, by=request.user, request=request, **facts)
        except CodedError as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.message_user(
            request, _("The decision is recorded, and the doctor is told."), messages.SUCCESS
        )
        return True

    def proof(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The doctor's document, to be saved and never shown within our pages."""
        doctor = self._doctor(request, pk)
        proof = get_object_or_404(RegistrationProof, doctor=doctor)
        access_record(actor=request.user, action="read", obj=proof, request=request)
        suffix = proof.content_type.rpartition("/")[2]
        return FileResponse(
            proof.file.open("rb"),
            as_attachment=True,
            filename=f"proof-{doctor.pk}.{suffix}",
            content_type=proof.content_type,
        )


def _number_fault(number: str) -> str:
    """What is wrong with the number itself; empty when its check digit is right."""
    try:
        validate_registration_number(number)
    except forms.ValidationError as error:
        return " ".join(error.messages)
    return ""
