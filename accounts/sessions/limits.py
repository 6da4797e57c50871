"""A session ends when nobody uses it, and when it is old."""

from __future__ import annotations

import time

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from .devices import device_remember
from .waiting import form_refuse

BEGAN, SEEN = "session_began", "session_seen"  # seconds since 1970
# So often at most a session is written to say that it is used.
EVERY = 60
# What a page asks for by itself, so that an empty chair is not taken for a doctor.
BY_ITSELF = frozenset(
    {
        "inference:notices",
        "inference:worklist_news",
        "inference:result",
        "inference:status",
        "admin:operations_backup_progress",
    }
)


def limits_of(account) -> tuple[int, int]:
    """Seconds without use, and seconds at all, after which a session of ``account`` ends."""
    if account.is_staff:
        return settings.STAFF_SESSION_IDLE_SECONDS, settings.STAFF_SESSION_SECONDS
    return settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE


class SessionLimitsMiddleware:
    """Ends a session that is over its limits, before the page is made, and says why."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        form_refuse(request, response)
        device_remember(request, response)
        return response

    def process_view(self, request: HttpRequest, view, args, kwargs) -> None:
        if not request.user.is_authenticated:
            return
        session, now = request.session, int(time.time())
        idle, longest = limits_of(request.user)
        began, seen = session.get(BEGAN), session.get(SEEN)
        if began is None or seen is None:
            session[BEGAN] = session[SEEN] = now
        elif now - seen > idle or now - began > longest:
            self._end(request, "session_idle" if now - seen > idle else "session_old")
        elif now - seen >= EVERY and request.resolver_match.view_name not in BY_ITSELF:
            session[SEEN] = now
            UserSession.objects.filter(session_key=session.session_key).update(
                last_seen_at=timezone.now()
            )

    @staticmethod
    def _end(request: HttpRequest, reason: str) -> None:
        request.session_reason = reason
        logout(request)
        if reason == "session_idle":
            messages.info(request, _("You were logged out because nobody used the session."))
        else:
            messages.info(request, _("Your session has reached its longest time: log in again."))


@receiver(user_logged_in)
def begun(sender, request, **kwargs) -> None:
    """A new session begins with the log-in, whatever the visitor's one was."""
    request.session[BEGAN] = request.session[SEEN] = int(time.time())
