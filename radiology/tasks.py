"""The worker's doors to ``radiology``."""

from __future__ import annotations

from django.conf import settings

from pneumoniapp.tasks import idempotent_task

from . import depth


@idempotent_task(queue="default", hard_limit=settings.ANALYSIS_TIME_LIMIT)
def derive_depth(radiograph_id: str) -> None:
    """Make the file of all grey values; see ``depth.depth_derive``."""
    depth.depth_derive(radiograph_id=radiograph_id)
