"""The rights of patients and doctors in the admin: exports, and decisions about erasures."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.admin import DoctorAdmin
from accounts.models import Doctor
from operations.readonly_admin import CappedPaginator, PatientDataAdmin
from operations.services import list_read_record
from patients.admin import PatientAdmin
from patients.models import Erasure, Patient
from patients.retention import retention_end_at, retention_over
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated

from .privacy.doctor_export import doctor_export
from .privacy.erasure import erasure_decide, erasure_refuse, erasure_request
from .privacy.export import patient_export
from .views_privacy import zip_answer

admin.site.unregister(Doctor)
admin.site.unregister(Patient)


@admin.register(Doctor)
class DoctorRightsAdmin(DoctorAdmin):
    """A doctor's page with the export."""

    def get_urls(self):
        view = self.admin_site.admin_view(self.export)
        return [
            path("<int:pk>/export/", view, name="accounts_doctor_export"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        may = {"may_export": request.user.has_perm("accounts.export_doctor")}
        return super().change_view(request, object_id, form_url, may | (extra_context or {}))

    def export(self, request: HttpRequest, pk: int) -> HttpResponse:
        """All that is known of a doctor, for one who asked for it otherwise than by the pages."""
        if not request.user.has_perm("accounts.export_doctor"):
            raise PermissionDenied
        return _export_doctor(request, get_object_or_404(self.get_queryset(request), pk=pk))


@require_POST
@reauthenticated
def _export_doctor(request: HttpRequest, doctor: Doctor) -> HttpResponse:
    pieces = doctor_export(doctor=doctor, by=request.user, request=request)
    return zip_answer(pieces, f"account-{doctor.pk}.zip")


@admin.register(Patient)
class PatientRightsAdmin(PatientAdmin):
    """A patient's page with the export and the way to an erasure."""

    change_form_template = "admin/patients/patient/change_form.html"
    change_list_template = "admin/patients/patient/change_list.html"

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/export/", view(self.export), name="patients_patient_export"),
            path("<uuid:pk>/erase/", view(self.erase), name="patients_patient_erase"),
            path("retention/", view(self.retention), name="patients_patient_retention"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        may = {
            "may_export": request.user.has_perm("patients.export_patient"),
            "may_erase": request.user.has_perm("patients.change_erasure"),
        }
        return super().change_view(request, object_id, form_url, may | (extra_context or {}))

    def export(self, request: HttpRequest, pk) -> HttpResponse:
        """All of a patient's data, as its doctor may have it."""
        return _export(request, self._patient(request, pk, "patients.export_patient"))

    def erase(self, request: HttpRequest, pk) -> HttpResponse:
        """An erasure that the administrator then decides about."""
        return _erase(request, self._patient(request, pk, "patients.change_erasure"))

    def retention(self, request: HttpRequest) -> HttpResponse:
        """Whom ``manage.py retention`` would erase now, by keys; nothing is changed here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = retention_over(self.get_queryset(request)).order_by("pk")
        page = CappedPaginator(found, self.list_per_page).get_page(request.GET.get("p"))
        list_read_record(
            object_type=self.opts.label_lower, request=request, count=len(page.object_list)
        )
        context = self.admin_site.each_context(request) | {
            "title": _("Past the term of retention"),
            "opts": self.opts,
            "page": page,
            "rows": [(patient, retention_end_at(patient)) for patient in page.object_list],
            "is_capped": page.paginator.count == page.paginator.MOST,
            "years": settings.RETENTION_YEARS,
            "age": settings.RETENTION_AGE,
            "is_automatic": settings.RETENTION_AUTOMATIC,
        }
        return TemplateResponse(request, "admin/patients/patient/retention.html", context)

    def _patient(self, request: HttpRequest, pk, permission: str) -> Patient:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        patient = self.get_queryset(request).filter(pk=pk).first()
        if patient is None:
            raise Http404
        return patient


@require_POST
@reauthenticated
def _export(request: HttpRequest, patient: Patient) -> HttpResponse:
    pieces = patient_export(patient=patient, by=request.user, request=request)
    return zip_answer(pieces, f"patient-{patient.pk}.zip")


@require_POST
@reauthenticated
def _erase(request: HttpRequest, patient: Patient) -> HttpResponse:
    try:
        erasure = erasure_request(
            patient=patient, by=request.user, cause=Erasure.Cause.PATIENT, request=request
        )
    except CodedError as error:
        messages.error(request, str(error))
        erasure = Erasure.objects.filter(patient_key=patient.pk, is_open=True).first()
    if erasure is None:
        return redirect("admin:patients_erasure_changelist")
    return redirect("admin:patients_erasure_change", erasure.pk)


@admin.register(Erasure)
class ErasureAdmin(PatientDataAdmin):
    """Requests to erase a patient: those that wait are decided on their page."""

    change_form_template = "admin/patients/erasure/change_form.html"
    list_display = ("requested_at", "state", "cause", "due_on", "owner", "patient_key")
    list_filter = ("state", "cause")
    list_select_related = ("owner",)
    search_fields = ("patient_key__exact",)
    search_help_text = _("The patient's whole key.")
    fields = (
        "patient_key",
        "owner",
        "state",
        "cause",
        "comment",
        "due_on",
        "requested_by",
        "requested_at",
        "decided_by",
        "decided_at",
        "decision",
        "counts",
    )
    ordering = ("-requested_at", "-pk")

    def get_urls(self):
        view = self.admin_site.admin_view(self.decide)
        return [
            path("<uuid:pk>/decide/", view, name="patients_erasure_decide"),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        may = request.user.has_perm("patients.change_erasure")
        waits = obj is not None and obj.state == Erasure.State.PENDING
        context["may_decide"] = may and waits
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def decide(self, request: HttpRequest, pk) -> HttpResponse:
        """Erase now, or refuse; either needs a reason."""
        if not request.user.has_perm("patients.change_erasure"):
            raise PermissionDenied
        erasure = self.get_queryset(request).filter(pk=pk).first()
        if erasure is None:
            raise Http404
        return _decide(request, erasure)


@require_POST
@reauthenticated
def _decide(request: HttpRequest, erasure: Erasure) -> HttpResponse:
    is_erase = request.POST.get("decision") == "erase"
    service = erasure_decide if is_erase else erasure_refuse
    try:
        service(
            erasure=erasure,
            by=request.user,
            reason=request.POST.get("reason", "")[:500],
            request=request,
        )
    except CodedError as error:
        messages.error(request, str(error))
    else:
        done = gettext("The patient is erased.") if is_erase else gettext("The request is refused.")
        messages.success(request, done)
    return redirect(reverse("admin:patients_erasure_change", args=[erasure.pk]))
