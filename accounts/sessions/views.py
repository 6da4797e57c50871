"""The page where an account sees where it is logged in, and ends what it does not know."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from .devices import device_describe
from .limits import limits_of
from .services import session_end


@never_cache
@login_required
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """Every session of this account, the latest used first; this one is marked."""
    found = UserSession.objects.purge_and_list(request.user)
    idle, longest = limits_of(request.user)
    context = {
        "sessions": [
            {
                "pk": session.pk,
                "device": device_describe(session.user_agent),
                "address": session.ip,
                "began": session.created_at,
                "seen": session.last_seen_at,
                "is_this": session.session_key == request.session.session_key,
            }
            for session in sorted(found, key=lambda session: session.last_seen_at, reverse=True)
        ],
        "idle_minutes": idle // 60,
        "longest_hours": longest // 3600,
    }
    return render(request, "accounts/sessions.html", context)


@login_required
@require_POST
def end(request: HttpRequest) -> HttpResponse:
    """End the session whose key the form carries, or with ``others`` all but this one."""
    mine = UserSession.objects.filter(user=request.user).exclude(
        session_key=request.session.session_key
    )
    key = request.POST.get("session", "")
    if key != "others":
        mine = mine.filter(pk=key) if key.isdecimal() and len(key) < 19 else mine.none()
        if not mine:
            raise Http404
    for session in mine:
        session_end(session=session, request=request)
    messages.success(request, _("The session has been ended: its browser is logged out."))
    return redirect("accounts:sessions")
