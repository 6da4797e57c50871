"""Reads of radiographs."""

from __future__ import annotations

from .models import Radiograph


def radiograph_get(user, pk) -> Radiograph:
    """The radiograph with its patient, if ``user`` may see it; else ``Radiograph.DoesNotExist``."""
    return Radiograph.objects.visible_to(user).select_related("patient").get(pk=pk)
