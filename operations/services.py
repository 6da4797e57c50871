"""Writes the record of who touched which patient's data."""

from __future__ import annotations

import hashlib

import structlog
from django.core.cache import cache
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from .audit.context import channel_of, current_request
from .audit.reasons import reason_of
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
    patient: object = "",
    count: int | None = None,
    channel: str = "",
    reason: str = "",
    request: HttpRequest | None = None,
) -> None:
    """Record that ``actor`` did ``action`` to one object of a patient's data.

    - ``actor``: the signed-in account; ``None`` or an anonymous one is recorded as nobody
      (the system itself).
    - ``action``: ``"read"``, ``"create"``, ``"update"``, ``"delete"`` or ``"refused"``.
    - ``obj``: the object; or else ``object_type`` (such as ``"patients.patient"``) and
      ``object_id``, for a list or something that is gone.
    - ``patient``: the key of the patient whose data it is; by default what ``obj`` says by
      its ``audit_patient_id``.
    - ``count``: how many rows of a list.
    - ``channel``: the door, see ``AccessEvent.Channel``. Whoever sends an image says
      ``"media"``, whoever sends a file to be kept ``"export"``; the rest is known.
    - ``reason``: why, as a code (``"adjudication"``), or a code and the key of the row that
      holds what somebody wrote (``"break_glass:<uuid>"``). Never a text that was typed. A
      look without one gets that of what alone allowed it (``operations.audit.reasons``).
    - ``request``: gives the route's name (never its address), the client's address and
      the request id; by default the request that is being answered.

    The same read by the same actor within five minutes is recorded once: images count as
    the page that shows them, an export never as a look. Writes, and reads for a ``reason``
    that was given, always are. Raises ``ValidationError`` when a value is none that is
    described here.
    """
    if obj is not None:
        object_type, object_id = obj._meta.label_lower, obj.pk
        patient = patient or getattr(obj, "audit_patient_id", "")
    event = _event(
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        patient=patient,
        count=count,
        channel=channel,
        reason=reason,
        request=request,
    )
    once = _counts_once(event)
    if event.action == AccessEvent.Action.READ and not event.reason:
        event.reason = reason_of(event.actor, event.patient)
    if not once:
        event.save(force_insert=True)
        return
    key = _repetition(event, request)
    if _seen_lately(key):
        return
    try:
        event.save(force_insert=True)
    except Exception:
        cache.delete(key)
        raise


def list_read_record(
    *, object_type: str, request: HttpRequest, count: int | None = None, patient: object = ""
) -> None:
    """Record that whoever sends ``request`` looked at a list of ``count`` such objects, maybe
    all of one ``patient``.

    One event for what one address shows; another page of the list is another event.
    """
    access_record(
        actor=request.user,
        action=AccessEvent.Action.READ,
        object_type=object_type,
        object_id="list",
        patient=patient,
        count=count,
        request=request,
    )


def access_record_many(
    *,
    actor,
    action: str,
    object_type: str,
    objects: list[tuple[object, object]],
    channel: str = "",
    reason: str = "",
    request: HttpRequest | None = None,
) -> None:
    """Record that ``actor`` did ``action`` to each of many objects of one type, all or none.

    ``objects`` are pairs of an object's key and its patient's. As :func:`access_record`, but
    every one is recorded, however lately it was before.
    """
    with transaction.atomic():
        for start in range(0, len(objects), 1000):
            AccessEvent.objects.bulk_create(
                _event(
                    actor=actor,
                    action=action,
                    object_type=object_type,
                    object_id=object_id,
                    patient=patient,
                    channel=channel,
                    reason=reason,
                    request=request,
                )
                for object_id, patient in objects[start : start + 1000]
            )


def _event(
    *, actor, object_id, patient="", channel="", request: HttpRequest | None, **values
) -> AccessEvent:
    request = request or current_request()
    match = getattr(request, "resolver_match", None)
    event = AccessEvent(
        actor=actor if getattr(actor, "is_authenticated", False) else None,
        object_id=str(object_id),
        patient=str(patient or ""),
        channel=channel or channel_of(request),
        route=(match.view_name or "")[:100] if match else "",
        address=(request.META.get("REMOTE_ADDR") or None) if request else None,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        **values,
    )
    known = ["actor", "digest", "position", "chain"]
    empty = [name for name in ("address", "count") if getattr(event, name) is None]
    event.clean_fields(exclude=known + empty)
    return event


def _counts_once(event: AccessEvent) -> bool:
    """Whether the same within a while is the same; a failed log-in is a try each time."""
    if event.action == AccessEvent.Action.REFUSED:
        return event.object_type != "refusal.login"
    return event.action == AccessEvent.Action.READ and not event.reason


def _repetition(event: AccessEvent, request: HttpRequest | None) -> str:
    """What two looks have in common that count as one."""
    door = "export" if event.channel == AccessEvent.Channel.EXPORT else "look"
    key = f"access:{event.actor_id}:{door}:{event.object_type}:{event.object_id}"
    if event.action == AccessEvent.Action.READ and event.reason:
        key = f"{key}:{event.reason}"
    if event.action == AccessEvent.Action.REFUSED:
        return f"{key}:{event.address}:{event.route}"
    if event.object_id != "list" or not request:
        return key
    # Which page of a list, and what was sought: neither is written down.
    asked = {name: v for name, v in request.POST.lists() if name != "csrfmiddlewaretoken"}
    shown = f"{request.get_full_path()} {sorted(asked.items())}"
    return f"{key}:{hashlib.sha256(shown.encode()).hexdigest()}"


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
