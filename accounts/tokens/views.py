"""The page of an account's tokens: list, make, revoke."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import practising_doctor_required
from accounts.models import Doctor
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated
from pneumoniapp.scopes import Scope

from .forms import TokenForm
from .services import maker_answers, token_create, token_revoke, tokens_list


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@practising_doctor_required
@reauthenticated
def tokens(request: HttpRequest) -> HttpResponse:
    """The doctor's tokens; POST makes one."""
    return tokens_page(request, request.user, token_create, reverse("accounts:tokens"))


@require_POST
@practising_doctor_required
def token_end(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Revoke one; it asks for nothing, since it may be urgent."""
    token = get_object_or_404(tokens_list(request.user), pk=pk)
    token_revoke(token=token, by=request.user, request=request)
    messages.success(request, _("The token has been revoked."))
    return redirect("accounts:tokens")


def tokens_page(
    request: HttpRequest, owner: Doctor, make: Callable, here: str, **context
) -> HttpResponse:
    """The tokens of ``owner`` at the address ``here``; POST makes one by ``make``.

    The page that answers to a POST shows the new token, and never again (so there is no
    redirect to it).
    """
    form = TokenForm(request.POST if request.method == "POST" else None, owner=owner)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                token, text = make(owner=owner, request=request, **form.cleaned_data)
            except ValidationError as error:
                form.add_error(None, error)
            except CodedError as error:
                form.add_error(None, str(error))
            else:
                shown = {"text": text, "token": token, "back": here}
                return render(request, "accounts/token.html", shown, status=201)
    context |= {
        "form": form,
        "owner": owner,
        "tokens": [
            {
                "row": token,
                "may": [Scope(scope).label for scope in token.scopes],
                "holds": maker_answers(token),
            }
            for token in tokens_list(owner).select_related("owner", "created_by")
        ],
    }
    return render(request, "accounts/tokens.html", context, status=status)
