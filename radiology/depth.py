"""The file of all grey values: made when somebody first looks at a radiograph.

It is derived: whatever fails here takes nothing from the reading, and the page shows the
preview.
"""

from __future__ import annotations

import time

import structlog
from django.core.cache import cache
from django.core.files.base import ContentFile

from pneumoniapp.errors import CodedError

from .errors import StorageUnavailableError
from .models import Radiograph

# Seconds in which one radiograph is asked for once.
PATIENCE = 60

log = structlog.get_logger(__name__)


def depth_store(*, radiograph: Radiograph, content: bytes) -> None:
    """Keep all grey values of ``radiograph``: first the file, then its name on the row.

    ``content`` as :func:`radiology.dicom.depth.encode_depth` makes it. The name is fixed and
    the same pixels give the same bytes: doing it twice changes nothing. Raises
    :class:`StorageUnavailableError`.
    """
    try:
        radiograph.depth.save("", ContentFile(content), save=False)
    except Exception as error:
        raise StorageUnavailableError from error
    Radiograph.objects.filter(pk=radiograph.pk).update(depth=radiograph.depth.name)


def depth_derive(*, radiograph_id) -> bool:
    """Decode a stored radiograph for its full depth alone; whether it is there afterwards.

    Worker only. A file that can't be decoded or read is logged and left without.
    """
    from .dicom import limited

    radiograph = Radiograph.objects.only("file", "depth").filter(pk=radiograph_id).first()
    if radiograph is None:
        return False
    if radiograph.depth:
        return True
    began = time.perf_counter()
    try:
        content = limited.depth(_content(radiograph))
        made = time.perf_counter()
        depth_store(radiograph=radiograph, content=content)
    except CodedError as error:
        log.warning("depth_failed", radiograph_id=str(radiograph_id), code=error.code)
        return False
    log.info(
        "depth_stored",
        radiograph_id=str(radiograph_id),
        size=len(content),
        make_ms=round(1000 * (made - began), 1),
        total_ms=round(1000 * (time.perf_counter() - began), 1),
    )
    return True


def _content(radiograph: Radiograph) -> bytes:
    try:
        with radiograph.file.open("rb") as file:
            return file.read()
    except Exception as error:
        raise StorageUnavailableError from error


def depth_request(*, radiograph: Radiograph) -> bool:
    """Ask the worker for the full depth; whether it was sent now.

    A radiograph that has it, or was asked for in the last minute, is not asked for again.
    A broker without answer is logged: the page falls back to the preview.
    """
    from .tasks import derive_depth

    key = f"radiology:depth:{radiograph.pk}"
    if radiograph.depth or not cache.add(key, True, PATIENCE):
        return False
    try:
        derive_depth.delay(str(radiograph.pk))
    except Exception as error:
        log.warning("depth_not_sent", radiograph_id=str(radiograph.pk), error=type(error).__name__)
        cache.delete(key)
        return False
    return True
