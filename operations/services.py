"""Writes the record of who touched which patient's data."""

from __future__ import annotations

import structlog
from django.core.cache import cache
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from .models import AccessEvent, Heartbeat

# One doctor who looks at one object again within this many seconds is recorded once.
REPEATED_READ_SECONDS = 300

log = structlog.get_logger(__name__)


def access_record(
    *,
    actor,
    action: str,
    obj: models.Model | None = None,
    object_type: str = "",
    object_id: object = "",
    request: HttpRequest | None = None,
) -> None:
    """Record that ``actor`` did ``action`` to one object of a patient's data.

    - ``actor``: the signed-in account; ``None`` or an anonymous one is recorded as nobody
      (the system itself).
    - ``action``: ``"read"``, ``"create"``, ``"update"`` or ``"delete"``.
    - ``obj``: the object; or else ``object_type`` (such as ``"patients.patient"``) and
      ``object_id``, for a list or something that is gone.
    - ``request``: gives the route's name (never its address), the client's address and
      the request id.

    The same read by the same actor within five minutes is recorded once; writes always are.
    Raises ``ValidationError`` when ``action`` is none of the four or the object is missing.
    """
    if obj is not None:
        object_type, object_id = obj._meta.label_lower, obj.pk
    event = _event(actor, action, object_type, object_id, request)
    if action != AccessEvent.Action.READ:
        event.save(force_insert=True)
        return
    key = f"access:{event.actor_id}:{event.object_type}:{event.object_id}"
    if _seen_lately(key):
        return
    try:
        event.save(force_insert=True)
    except Exception:
        cache.delete(key)
        raise


def list_read_record(*, object_type: str, request: HttpRequest) -> None:
    """Record that whoever sends ``request`` looked at a list of such objects."""
    access_record(
        actor=request.user,
        action=AccessEvent.Action.READ,
        object_type=object_type,
        object_id="list",
        request=request,
    )


def access_record_many(
    *, actor, action: str, object_type: str, object_ids: list, request: HttpRequest | None = None
) -> None:
    """Record that ``actor`` did ``action`` to each of many objects of one type, all or none.

    As :func:`access_record`, but every one is recorded, however lately it was before.
    """
    with transaction.atomic():
        for start in range(0, len(object_ids), 1000):
            AccessEvent.objects.bulk_create(
                _event(actor, action, object_type, object_id, request)
                for object_id in object_ids[start : start + 1000]
            )


def _event(actor, action: str, object_type: str, object_id, request) -> AccessEvent:
    match = getattr(request, "resolver_match", None)
    event = AccessEvent(
        actor=actor if getattr(actor, "is_authenticated", False) else None,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        route=(match.view_name or "")[:100] if match else "",
        address=(request.META.get("REMOTE_ADDR") or None) if request else None,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
    event.clean_fields(exclude=["actor"] if event.address else ["actor", "address"])
    return event


def _seen_lately(key: str) -> bool:
    """Whether ``key`` was met lately; marks it. A cache that is down never hides a read."""
    try:
        return not cache.add(key, True, REPEATED_READ_SECONDS)
    except Exception:
        log.warning("access_cache_unreachable", exc_info=True)
        return False


def heartbeat_record(*, queue: str) -> None:
    """Record that a worker listens to ``queue`` now."""
    Heartbeat.objects.update_or_create(queue=queue, defaults={"at": timezone.now()})
