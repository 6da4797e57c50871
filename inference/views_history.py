"""Pages about more than one reading of a patient."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import practising_doctor_required

from .worklist_bulk import readings_reread


@require_POST
@practising_doctor_required
def read_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Have one radiograph read by the version in production; the old reading is kept.

    Leads back to the page of ours that ``next`` names, or to the reading.
    """
    outcomes, _unknown = readings_reread(user=request.user, radiographs=[pk], request=request)
    if not outcomes:
        raise Http404
    if problem := outcomes[0].problem:
        messages.error(request, problem)
    else:
        messages.success(request, _("The radiograph is queued to be read again."))
    onto = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(onto, allowed_hosts=None):
        return redirect(onto)
    return redirect("inference:reading", pk)
