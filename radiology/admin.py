"""Radiographs in the admin: looked up by their UIDs; only burned-in text is decided about."""

from __future__ import annotations

import uuid

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from operations.readonly_admin import PatientDataAdmin
from operations.services import access_record
from pneumoniapp.errors import CodedError

from .dicom import RENDER_VERSION
from .files import versioned_response
from .models import Radiograph
from .text_checks import FOUND, text_boxes, text_decide
from .warnings import warning_sentence, warnings_now

DECIDE = "radiology.change_radiograph"
WAITING = f"?text_state__exact={Radiograph.TextState.SUSPECTED}"


@admin.register(Radiograph)
class RadiographAdmin(PatientDataAdmin):
    """What was received and when; the images are shown to the patient's doctor alone.

    But one that may carry text is shown to an administrator who may change radiographs, and who
    says whether the text tells who the patient is.
    """

    change_form_template = "admin/radiology/radiograph/change_form.html"
    list_display = (
        "id",
        "owner",
        "acquired_on",
        "received_at",
        "modality",
        "view_position",
        "text_state",
    )
    list_filter = ("text_state",)
    list_select_related = ("owner",)
    search_fields = ("sop_instance_uid__exact", "study_instance_uid__exact", "sha256__exact")
    search_help_text = _("A whole SOP or Study Instance UID, key or SHA-256.")
    ordering = ("-received_at", "-pk")
    fields = (
        "id",
        "patient",
        "owner",
        "uploaded_by",
        "acquired_on",
        "received_at",
        "remarks",
        "text_state",
        "text_decided_by",
        "text_decided_at",
        "modality",
        "view_position",
        "photometric_interpretation",
        "rows",
        "columns",
        "bits_stored",
        "sop_class_uid",
        "transfer_syntax_uid",
        "sop_instance_uid",
        "series_instance_uid",
        "study_instance_uid",
        "sha256",
        "pixel_sha256",
        "size",
    )

    @admin.display(description=_("warnings"))
    def remarks(self, radiograph: Radiograph) -> str:
        sentences = ((warning_sentence(entry),) for entry in warnings_now(radiograph))
        return format_html_join("\n", "<p>{}</p>", sentences) or "-"

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/picture/", view(self.picture), name="radiology_radiograph_picture"),
            path("<uuid:pk>/text/", view(self.text), name="radiology_radiograph_text"),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        may = request.user.has_perm(DECIDE)
        if may and obj is not None and obj.text_state in FOUND:
            context["may_decide"], context["boxes"] = True, text_boxes(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def picture(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The preview of a radiograph that may carry text."""
        return _picture(request, self._suspected(request, pk))

    def text(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """What the administrator says who has looked at it."""
        return _decide(request, self._suspected(request, pk))

    def _suspected(self, request: HttpRequest, pk: uuid.UUID) -> Radiograph:
        if not request.user.has_perm(DECIDE):
            raise PermissionDenied
        radiograph = self.get_queryset(request).filter(pk=pk, text_state__in=FOUND).first()
        if radiograph is None:
            raise Http404
        return radiograph

    def get_search_results(self, request, queryset, search_term):
        """A primary key is looked up as one: it is no text that a database could compare."""
        try:
            return queryset.filter(pk=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)


@require_safe
def _picture(request: HttpRequest, radiograph: Radiograph) -> HttpResponse:
    if not radiograph.preview:
        raise Http404
    version = f"{radiograph.pixel_sha256[:32]}-{RENDER_VERSION}"
    try:
        response = versioned_response(
            request, radiograph.preview, version=version, content_type="image/jpeg"
        )
    except FileNotFoundError as error:
        raise Http404 from error
    access_record(
        actor=request.user, action="read", obj=radiograph, channel="media", request=request
    )
    return response


@require_POST
def _decide(request: HttpRequest, radiograph: Radiograph) -> HttpResponse:
    answer = request.POST.get("answer")
    if answer not in ("harmless", "identifying"):
        messages.error(request, gettext("Choose one of the two answers."))
        return redirect("admin:radiology_radiograph_change", radiograph.pk)
    try:
        text_decide(
            radiograph=radiograph,
            by=request.user,
            identifying=answer == "identifying",
            request=request,
        )
    except CodedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Your answer is kept. These are still waiting."))
    return redirect(reverse("admin:radiology_radiograph_changelist") + WAITING)
