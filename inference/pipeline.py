"""From a stored DICOM file to everything that one reading shows. Worker and commands only.

OpenCV and the runtime are imported here, so only inside a worker's child or a command:
``inference.services`` imports this module when a reading begins. The file itself is decoded in
a process with limits (``radiology.dicom.limited``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.base import ContentFile

from radiology.dicom import limited
from radiology.dicom.render import check_contrast, encode_preview

from .engine import Engine, Prediction
from .errors import ReadingStorageError
from .explanation import map_png
from .models import Analysis

# A worker has one child for each core: more threads inside a child only wait for each other.
cv2.setNumThreads(1)


class Stopwatch:
    """Milliseconds by step, each from the end of the step before."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.steps[step] = round(1000 * (now - self._last), 2)
        self._last = now

    def stop(self) -> dict[str, float]:
        return self.steps | {"total": round(1000 * (time.perf_counter() - self._start), 2)}


@dataclass(frozen=True)
class Reading:
    """``map`` and ``preview`` are the names of the saved files; ``timings`` in milliseconds;
    ``rendered`` is the image, uint8 (H, W)."""

    prediction: Prediction
    map: str
    preview: str
    timings: dict[str, float]
    rendered: np.ndarray


@contextmanager
def _storage() -> Iterator[None]:
    """Whatever a storage back-end raises means that it does not work at the moment."""
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        raise ReadingStorageError from error


def read_radiograph(analysis: Analysis, engine: Engine) -> Reading:
    """Read the radiograph of ``analysis`` and save the map and, if it has none, the preview.

    ``analysis.model_version_id`` names the version of ``engine``. The stored file is read
    and decoded once. File names are fixed, and the same radiograph and version give the
    same bytes, so doing it twice changes nothing. No row is written.

    Raises the coded errors of ``radiology.dicom`` and
    :class:`~inference.errors.ReadingStorageError`.
    """
    radiograph = analysis.radiograph
    watch = Stopwatch()
    with _storage(), radiograph.file.open("rb") as file:
        content = file.read()
    watch.lap("read")
    rendered = limited.render(content)
    check_contrast(rendered)
    watch.lap("decode")
    prediction = engine.predict(rendered)
    watch.lap("predict")
    picture = map_png(prediction.activation)
    watch.lap("picture")
    preview = None if radiograph.preview else encode_preview(rendered)
    watch.lap("preview")
    with _storage():
        analysis.map.save("", ContentFile(picture), save=False)
        if preview is not None:
            radiograph.preview.save("", ContentFile(preview), save=False)
    watch.lap("save")
    timings, parts = watch.stop(), prediction.milliseconds
    del timings["predict"]
    timings["input"] = round(parts["input"], 2)
    timings["network"] = round(parts["network"], 2)
    timings["map"] = round(parts["activation"] + timings.pop("picture"), 2)
    return Reading(prediction, analysis.map.name, radiograph.preview.name, timings, rendered)
