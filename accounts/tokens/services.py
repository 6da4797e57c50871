"""Making, finding and ending tokens."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.credentials import practice_check
from accounts.mails import mail_doctor
from accounts.models import ApiToken, Doctor
from operations.services import access_record
from pneumoniapp.scopes import Scope

from .errors import TokenAddressError, TooManyTokensError
from .networks import address_normalize, address_within
from .text import HINT_LENGTH, token_digest, token_text

# So often at most the use of a token is written.
USE_EVERY = timedelta(minutes=1)

log = structlog.get_logger(__name__)


def scopes_of(owner: Doctor) -> list[Scope]:
    """What a token of ``owner`` may be allowed: a program judges nothing."""
    return [scope for scope in Scope if not (owner.is_service and scope == Scope.REVIEW)]


@transaction.atomic
def token_create(
    *,
    owner: Doctor,
    name: str,
    scopes: list[str],
    days: int | None = None,
    networks: list[str] | None = None,
    by: Doctor | None = None,
    request: HttpRequest | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can read again; who makes it is told by mail.

    - ``days``: 1 to ``API_TOKEN_MAX_DAYS``; ``API_TOKEN_DAYS`` if it is not given.
    - ``networks``: from where it may be used; empty: from everywhere.
    - ``by``: who makes it, where that is not ``owner`` (for a program's account).

    Raises what :func:`practice_check` raises, :exc:`TooManyTokensError` beyond
    ``API_TOKEN_LIMIT``, and ``ValidationError`` by field.
    """
    owner = Doctor.objects.select_for_update().get(pk=owner.pk)
    practice_check(owner)
    if tokens_list(owner).count() >= settings.API_TOKEN_LIMIT:
        raise TooManyTokensError(limit=settings.API_TOKEN_LIMIT)
    text, by = token_text(), by or owner
    token = ApiToken(
        owner=owner,
        created_by=by,
        name=name,
        hint=text[:HINT_LENGTH],
        digest=token_digest(text),
        scopes=list(scopes),
        networks=list(networks or []),
        expires_at=timezone.now() + timedelta(days=days_check(days)),
    )
    token.full_clean(exclude=["owner", "created_by", "digest"])
    if set(token.scopes) - set(scopes_of(owner)):
        raise ValidationError({"scopes": _("A program judges nothing.")})
    token.save(force_insert=True)
    access_record(actor=by, action="create", obj=token, request=request)
    _mail(token, owner, by, request)
    return token, text


def days_check(days: int | None) -> int:
    """For how many days a token holds; raises ``ValidationError`` for ``days``."""
    most = settings.API_TOKEN_MAX_DAYS
    if days is None:
        return min(settings.API_TOKEN_DAYS, most)
    if not 1 <= days <= most:
        message = _("Give a number of days from 1 to %(limit)s.") % {"limit": most}
        raise ValidationError({"days": message})
    return days


def _mail(token: ApiToken, owner: Doctor, by: Doctor, request: HttpRequest | None) -> None:
    mail_doctor(
        template="token_made",
        doctor=by,
        request=request,
        path=reverse("accounts:practice" if owner.is_service else "accounts:tokens"),
        context={
            "token": token,
            "program": owner.last_name if owner.is_service else "",
            "scopes": [Scope(scope).label for scope in token.scopes],
            "address": request.META.get("REMOTE_ADDR", "") if request else "",
        },
    )


@transaction.atomic
def token_revoke(*, token: ApiToken, by: Doctor, request: HttpRequest | None = None) -> None:
    """End one token at once."""
    access_record(actor=by, action="delete", obj=token, request=request)
    token.delete()


def tokens_list(owner: Doctor) -> QuerySet[ApiToken]:
    """The account's tokens that still work, newest first."""
    return ApiToken.objects.filter(owner=owner, expires_at__gt=timezone.now())


def token_find(text: str) -> ApiToken | None:
    """The token with this text, with its owner, by one query; it may have ended."""
    digest = token_digest(text)
    if digest is None:
        return None
    found = ApiToken.objects.select_related("owner", "created_by")
    return found.filter(digest=digest).first()


def maker_answers(token: ApiToken) -> bool:
    """Whether somebody answers for the token: a person for their own.

    For a program's who made it, as long as they own its practice and may practise: who has left,
    was demoted or suspended may still know its text.
    """
    program, maker = token.owner, token.created_by
    if not program.is_service:
        return True
    if maker is None or maker.is_staff:
        return maker is not None and maker.is_active
    own = maker.owns_practice and maker.practice_id == program.practice_id
    return own and maker.may_practise


def token_use(*, token: ApiToken, address: str) -> None:
    """Note that the token is used now from ``address`` (``REMOTE_ADDR``).

    It is written once a minute at most, so that nearly every request only reads; what can't
    be written stops nobody. Raises :exc:`TokenAddressError` for an address that it is not for.
    """
    known = address_normalize(address)
    if token.networks and not address_within(known, token.networks):
        raise TokenAddressError
    now = timezone.now()
    # A moment to come is of a clock that was wrong.
    if token.last_used_at and now - USE_EVERY < token.last_used_at <= now:
        return
    lately = Q(last_used_at__gt=now - USE_EVERY, last_used_at__lte=now)
    try:
        # No transaction around it that a failure could spoil.
        ApiToken.objects.filter(~lately | Q(last_used_at=None), pk=token.pk).update(
            last_used_at=now, last_used_from=known
        )
    except DatabaseError:
        log.warning("token_use_not_written", exc_info=True)


def tokens_end(owner: Doctor) -> None:
    """End every token of an account; the caller records why."""
    ApiToken.objects.filter(owner=owner).delete()


def expired_delete() -> int:
    """Delete tokens that have ended; returns how many."""
    return ApiToken.objects.filter(expires_at__lte=timezone.now()).delete()[0]
