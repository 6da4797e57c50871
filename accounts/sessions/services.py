"""Sessions begin and end: recorded, and an unknown browser mailed to the account's owner."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from allauth.account.signals import user_logged_in
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.mails import mail_doctor
from accounts.models import Doctor
from operations.models import AccessEvent
from operations.services import access_record

from .devices import device_describe, device_is_known

KIND = "accounts.session"


@transaction.atomic
def session_end(*, session: UserSession, request: HttpRequest) -> None:
    """End one session of the account that asks; its browser is logged out with its next request."""
    session.end()
    _record("delete", "session_ended", session.user, request)


def sessions_end_others(request: HttpRequest) -> None:
    """End every session of the account that asks but this one; the caller records why."""
    others = UserSession.objects.filter(user=request.user)
    for session in others.exclude(session_key=request.session.session_key):
        session.end()


def _record(action: str, reason: str, account: Doctor, request: HttpRequest) -> None:
    access_record(
        actor=account,
        action=action,
        object_type=KIND,
        object_id=account.pk,
        reason=reason,
        request=request,
    )


@receiver(user_logged_in)
def begun(sender, request, user, **kwargs) -> None:
    """Record the log-in; mail the owner if the browser is new and it is not the first ever."""
    before = AccessEvent.objects.filter(
        object_type=KIND, object_id=str(user.pk), reason="logged_in"
    ).exists()
    _record("create", "logged_in", user, request)
    if not device_is_known(request, user) and before:
        mail_doctor(
            template="new_device",
            doctor=user,
            request=request,
            path=reverse("accounts:sessions"),
            context={
                "at": timezone.now(),
                "address": request.META["REMOTE_ADDR"],
                "device": device_describe(request.META.get("HTTP_USER_AGENT", "")),
            },
        )


@receiver(user_logged_out)
def left(sender, request, user, **kwargs) -> None:
    """``request.session_reason`` says why, where it was not the account's own wish."""
    if user is not None:
        UserSession.objects.filter(session_key=request.session.session_key).delete()
        _record("delete", getattr(request, "session_reason", "logged_out"), user, request)


def sessions_purge() -> None:
    """Delete the rows of sessions that are over, and what was kept of their browsers."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    longest = max(settings.SESSION_COOKIE_AGE, settings.STAFF_SESSION_SECONDS)
    unseen_since = timezone.now() - timedelta(seconds=longest)
    UserSession.objects.filter(last_seen_at__lt=unseen_since).delete()
