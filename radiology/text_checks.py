"""Burned-in text: what the search of an image found, and what an administrator said of it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from operations.services import access_record

from .models import Radiograph
from .text_errors import NoTextSuspectedError
from .warnings import TEXT_SUSPECTED

State = Radiograph.TextState
# What an administrator looks at, and may look at again.
FOUND = (State.SUSPECTED, State.HARMLESS, State.IDENTIFYING)
# So many boxes are kept: more of them say no more.
MOST = 20


def text_record(*, radiograph: Radiograph, regions: list[list[float]]) -> None:
    """Keep what the search found: ``regions`` as ``radiology.burned_in.regions_of`` has them.

    Once: a radiograph that was searched before, or looked at, stays as it is.
    """
    with transaction.atomic():
        row = Radiograph.objects.select_for_update().only("warnings", "text_state")
        row = row.filter(pk=radiograph.pk, text_state=State.NOT_SEARCHED).first()
        if row is None:
            return
        row.text_state = State.SUSPECTED if regions else State.NOT_FOUND
        if regions:
            row.warnings = [*row.warnings, {"code": TEXT_SUSPECTED, "regions": regions[:MOST]}]
        row.save(update_fields=["text_state", "warnings"])


def text_decide(*, radiograph: Radiograph, by, identifying: bool, request=None) -> None:
    """Record that ``by`` looked at the image, and whether its text tells who the patient is.

    They may change their mind. Raises :class:`NoTextSuspectedError` where none was found.
    """
    with transaction.atomic():
        decided = Radiograph.objects.filter(pk=radiograph.pk, text_state__in=FOUND).update(
            text_state=State.IDENTIFYING if identifying else State.HARMLESS,
            text_decided_by=by,
            text_decided_at=timezone.now(),
        )
        if not decided:
            raise NoTextSuspectedError
        access_record(actor=by, action="update", obj=radiograph, request=request)


def text_boxes(radiograph: Radiograph) -> list[dict[str, float]]:
    """What was found, as ``x``, ``y``, ``width``, ``height`` in pixels of the image."""
    regions = [
        region
        for entry in radiograph.warnings
        if entry.get("code") == TEXT_SUSPECTED
        for region in entry.get("regions", [])
    ]
    return [
        {
            "x": round(left * radiograph.columns),
            "y": round(top * radiograph.rows),
            "width": round((right - left) * radiograph.columns),
            "height": round((bottom - top) * radiograph.rows),
        }
        for left, top, right, bottom in regions
    ]
