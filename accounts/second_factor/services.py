"""Writes of the second factor, beside allauth's own."""

from __future__ import annotations

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver

from accounts.mails import mail_doctor
from accounts.models import Doctor
from accounts.services import access_end
from accounts.sessions.services import sessions_end_others
from operations.services import access_record

from .selectors import has_second_factor


@transaction.atomic
def second_factor_remove(*, doctor: Doctor, by: Doctor, request=None) -> Doctor:
    """Take away every second factor of somebody who lost theirs, end their sessions, tell them.

    The administrator has made sure who asks: whoever knows the password is in afterwards.
    """
    removed, _each = Authenticator.objects.filter(user=doctor).delete()
    if removed:
        access_end(doctor)
        _record(doctor, by, "second_factor_removed", request)
        mail_doctor(template="second_factor_removed", doctor=doctor, request=request)
    return doctor


@receiver(pre_save, sender=Authenticator)
def replaced(sender, instance, **kwargs) -> None:
    """An account has one app: of two forms sent at once the later replaces the earlier.

    MariaDB has no conditional unique index, so the account's row is locked until the end of
    allauth's transaction.
    """
    if instance.pk or instance.type != Authenticator.Type.TOTP:
        return
    Doctor.objects.select_for_update().get(pk=instance.user_id)
    Authenticator.objects.filter(user=instance.user_id, type=instance.type).delete()


@receiver(authenticator_added)
def added(sender, request, user, authenticator, **kwargs) -> None:
    """Who has just set a factor up has shown it in this session, and in no other: they end."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(
            request, user, method="mfa", id=authenticator.pk, type=authenticator.type
        )
        sessions_end_others(request)
    _record(user, user, "second_factor_added", request)


@receiver(authenticator_removed)
def removed(sender, request, user, authenticator, **kwargs) -> None:
    """After the last one no session has shown any: the others end, this one forgets it."""
    if not has_second_factor(user):
        sessions_end_others(request)
        records = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
        request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [
            record for record in records if record.get("method") != "mfa"
        ]
    _record(user, user, "second_factor_removed", request)


@receiver(authenticator_reset)
def reset(sender, request, user, authenticator, **kwargs) -> None:
    _record(user, user, "recovery_codes_made", request)


@receiver(authentication_failed)
def failed(sender, request, user, authenticator, **kwargs) -> None:
    access_record(
        actor=user, action="refused", obj=user, reason="second_factor_wrong", request=request
    )


def _record(doctor, by, reason: str, request) -> None:
    access_record(actor=by, action="update", obj=doctor, reason=reason, request=request)
