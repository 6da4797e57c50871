"""The worker's doors to ``radiology``."""

from __future__ import annotations

from django.conf import settings

from pneumoniapp.tasks import idempotent_task

from . import depth, second_readings, uploads


@idempotent_task(queue="default", hard_limit=settings.ANALYSIS_TIME_LIMIT)
def derive_depth(radiograph_id: str) -> None:
    """Make the file of all grey values; see ``depth.depth_derive``."""
    depth.depth_derive(radiograph_id=radiograph_id)


@idempotent_task(queue="default")
def tell_second_reader(second_id: str) -> None:
    """Tell who was asked for a second reading; see ``second_readings.second_reader_mail``."""
    second_readings.second_reader_mail(second_id=second_id)


@idempotent_task(queue="default", hard_limit=300)
def sweep_uploads() -> None:
    """Forget uploads that were never finished; see ``uploads.uploads_sweep``."""
    uploads.uploads_sweep()
