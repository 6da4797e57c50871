"""What was asked for and not given, to accounts that are known."""

from __future__ import annotations

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from operations.services import access_record

log = structlog.get_logger(__name__)


def refusal_explain(request: HttpRequest, *, reason: str, actor=None) -> None:
    """Say why ``request`` is about to be refused, and whose it is where nobody is signed in."""
    request.refusal = (actor, reason)


def refusal_record(request: HttpRequest, response: HttpResponse) -> None:
    """Record a 403 or 404 of a signed-in account, and a 401 to whoever brought a token.

    An address that no route has is a slip of the pen, and what strangers try without an
    account would fill the record: neither is kept. The same refusal within five minutes
    counts once. A record that can't be written changes no answer.
    """
    status, match = response.status_code, getattr(request, "resolver_match", None)
    if status not in (401, 403, 404) or match is None:
        return
    actor, reason = getattr(request, "refusal", (None, ""))
    user = actor or getattr(request, "user", None)
    known = getattr(user, "is_authenticated", False)
    if not (known or (status == 401 and "HTTP_AUTHORIZATION" in request.META)):
        return
    key = next((match.kwargs[name] for name in ("pk", "object_id") if name in match.kwargs), "-")
    try:
        access_record(
            actor=user,
            action="refused",
            object_type=f"refusal.{status}",
            object_id=str(key)[:36] if _is_key(key) else "-",
            reason=reason,
            request=request,
        )
    except DatabaseError:
        log.error("refusal_not_recorded", exc_info=True)


def login_failure_record(*, account_id, request: HttpRequest | None) -> None:
    """Record a failed log-in: to which account, if there is one, and from where."""
    access_record(
        actor=None,
        action="refused",
        object_type="refusal.login",
        object_id=account_id or "-",
        request=request,
    )


def _is_key(text: object) -> bool:
    """What a route took for a key may be anything that was typed."""
    return set(str(text)) <= set("0123456789abcdef-")
