"""The page of one's practice: members and roles, invitations, leaving."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from accounts.models import PracticeInvitation, PracticeMembership
from accounts.tokens.services import tokens_list
from accounts.tokens.views import tokens_page
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated

from . import programs, services
from .forms import InvitationForm, PracticeForm, ProgramForm, RoleForm
from .models import Role
from .selectors import invitations_for, invitations_of, practice_members


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@practising_doctor_required
def practice(request: HttpRequest) -> HttpResponse:
    """The doctor's practice, or what they are asked; POST opens one, or gives it its name."""
    own = request.user.practice
    form = PracticeForm(request.POST or None, initial={"name": own.name if own else ""})
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    name = form.cleaned_data["name"]
    try:
        if own:
            services.practice_rename(practice=own, by=request.user, name=name, request=request)
            messages.success(request, _("The practice has its new name."))
        else:
            services.practice_create(by=request.user, name=name, request=request)
            messages.success(request, _("The practice is open. Invite your colleagues."))
    except ValidationError as error:
        form.add_error("name", error.messages)
        return _page(request, form, status=422)
    except CodedError as error:
        messages.error(request, str(error))
    return redirect("accounts:practice")


@require_POST
@practising_doctor_required
def invite(request: HttpRequest) -> HttpResponse:
    """Ask a colleague to join; only an owner."""
    own = _own_or_404(request)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, invitation=form, status=422)
    try:
        services.invitation_create(
            practice=own, by=request.user, request=request, **form.cleaned_data
        )
    except ValidationError as error:
        form.add_error("address", error.messages)
    except CodedError as error:
        form.add_error("address", str(error))
    else:
        text = _(
            "The invitation is recorded. If a doctor who may practise here has this address, "
            "they are told by mail and may accept."
        )
        messages.success(request, text)
        return redirect("accounts:practice")
    return _page(request, invitation=form, status=422)


@require_POST
@practising_doctor_required
def answer(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Accept what one is asked, or decline it."""
    asked = get_object_or_404(PracticeInvitation, pk=pk, doctor=request.user)
    if "accept" in request.POST:
        text = _("You belong to the practice now.")
        return _carry(request, services.invitation_accept, text, invitation=asked)
    if "decline" in request.POST:
        text = _("The invitation is declined.")
        return _carry(request, services.invitation_decline, text, invitation=asked)
    return redirect("accounts:practice")


@require_POST
@practising_doctor_required
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take an invitation back; only an owner."""
    own = _own_or_404(request)
    asked = get_object_or_404(PracticeInvitation, pk=pk, practice=own)
    text = _("The invitation is withdrawn.")
    return _carry(request, services.invitation_withdraw, text, invitation=asked)


@require_POST
@practising_doctor_required
@reauthenticated
def role(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give a member another role; only an owner."""
    own = _own_or_404(request)
    membership = get_object_or_404(PracticeMembership, pk=pk, practice=own)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a role."))
        return redirect("accounts:practice")
    text = _("The role is changed.")
    new = form.cleaned_data["role"]
    return _carry(request, services.member_role_set, text, membership=membership, role=new)


@require_POST
@practising_doctor_required
@reauthenticated
def end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Leave, or remove a member."""
    own = _own_or_404(request)
    membership = get_object_or_404(PracticeMembership, pk=pk, practice=own)
    if membership.doctor_id == request.user.pk:
        text = _("You have left the practice. Your patients are yours alone again.")
    else:
        text = _("The doctor is no longer a member; their access has ended.")
    return _carry(request, services.member_end, text, membership=membership)


@require_POST
@practising_doctor_required
def program_new(request: HttpRequest) -> HttpResponse:
    """Open a service account; only an owner."""
    own = _own_or_404(request)
    form = ProgramForm(request.POST, auto_id="program_%s")
    if not form.is_valid():
        return _page(request, program=form, status=422)
    try:
        programs.program_create(practice=own, by=request.user, request=request, **form.cleaned_data)
    except ValidationError as error:
        form.add_error("name", error.messages)
    except CodedError as error:
        form.add_error("name", str(error))
    else:
        messages.success(request, _("The program has an account. Make a token for it."))
        return redirect("accounts:practice")
    return _page(request, program=form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@practising_doctor_required
@reauthenticated
def program_token(request: HttpRequest, pk: int) -> HttpResponse:
    """The tokens of a program; POST makes one, shown there and never again; only an owner."""
    program = _program_or_404(request, pk)
    make = partial(programs.program_token_create, by=request.user)
    return tokens_page(request, program, make, reverse("accounts:program_token", args=[pk]))


@require_POST
@practising_doctor_required
def program_token_end(request: HttpRequest, pk: int, token: uuid.UUID) -> HttpResponse:
    """Revoke a token of a program; only an owner."""
    program = _program_or_404(request, pk)
    found = get_object_or_404(tokens_list(program), pk=token)
    try:
        programs.program_token_end(token=found, by=request.user, request=request)
    except CodedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The token has been revoked."))
    return redirect("accounts:program_token", pk)


@require_POST
@practising_doctor_required
def program_finish(request: HttpRequest, pk: int) -> HttpResponse:
    """End a program with its tokens; only an owner."""
    program = get_object_or_404(programs.programs_list(_own_or_404(request)), pk=pk)
    text = _("The program has ended; its tokens work no more.")
    return _carry(request, programs.program_end, text, program=program)


def _program_or_404(request: HttpRequest, pk: int):
    """A program of one's own practice, as an owner sees it."""
    own = _own_or_404(request)
    if not request.user.owns_practice:
        raise Http404
    return get_object_or_404(programs.programs_list(own).prefetch_related(None), pk=pk)


def _own_or_404(request: HttpRequest):
    """The doctor's own practice; of no other anything can be named."""
    if request.user.practice is None:
        raise Http404
    return request.user.practice


def _carry(request: HttpRequest, service: Callable, text: str, **values) -> HttpResponse:
    try:
        service(by=request.user, request=request, **values)
    except CodedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, text)
    return redirect("accounts:practice")


def _page(
    request: HttpRequest, form=None, *, invitation=None, program=None, status: int = 200
) -> HttpResponse:
    own = request.user.practice
    context = {
        "practice": own,
        "form": form or PracticeForm(initial={"name": own.name if own else ""}),
        "owns": own and request.user.owns_practice,
    }
    if own:
        context["members"] = practice_members(own)
        context["roles"] = Role.choices
        if context["owns"]:
            context["invitation"] = invitation or InvitationForm()
            context["invitations"] = invitations_of(own)
            context["program"] = program or ProgramForm(auto_id="program_%s")
            context["programs"] = programs.programs_list(own)
    else:
        context["asked"] = invitations_for(request.user)
    return render(request, "accounts/practice.html", context, status=status)
