"""What ``/health/ready`` says of the queue and of the model in production."""

from __future__ import annotations

from django.conf import settings

from .registry import version_directory
from .selectors import model_production, queue_status


def queue() -> dict:
    """Not ready when an analysis has waited longer than ``QUEUE_MAX_AGE`` seconds.

    That is the sign that no worker takes messages, whatever its process looks like.
    """
    status = queue_status()
    waited = status["oldest_queued_seconds"]
    return status | {"ok": waited is None or waited <= settings.QUEUE_MAX_AGE}


def model() -> dict:
    """Not ready without a version in production whose weights are on this machine."""
    version = model_production()
    if version is None:
        return {"ok": False, "model": None}
    entry = version.facts["files"]["litert"]
    weights = version_directory(version) / entry["name"]
    present = weights.is_file() and weights.stat().st_size == entry["bytes"]
    return {"ok": present, "model": str(version)}
