"""A model folder run over many images for an analysis: what serving computes, and more of it.

Serving (``inference.engine``) keeps a reading's probabilities and one map; an analysis also
wants the features behind them. Latency is measured on serving itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import local

import numpy as np

from inference.model_input import model_input
from inference.registry import read_facts, read_file

from .datasets import decode
from .errors import DatasetInvalidError

THREADS = 2


@dataclass(frozen=True)
class Outputs:
    """``raw`` float32 (n, 3), the uncalibrated softmax; ``maps`` float32 (n, h, w, channels),
    the last feature map, or None where it was not asked for; ``features`` float32
    (n, channels), its mean over all places."""

    raw: np.ndarray
    features: np.ndarray
    maps: np.ndarray | None


class ServedNetwork:
    """The LiteRT network of a model folder, its checksums verified.

    Raises :class:`~inference.errors.ModelFolderInvalidError`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.facts = read_facts(self.folder)
        self.side = int(self.facts["input_size"][0])
        self._weights = read_file(self.folder, self.facts, "litert")
        self.kernel = np.load(self.folder / self.facts["files"]["classifier"]["name"])
        self._threads = local()

    def _interpreter(self):
        ready = getattr(self._threads, "ready", None)
        if ready is None:
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self._weights, num_threads=1)
            interpreter.allocate_tensors()
            (entry,) = interpreter.get_input_details()
            outputs = {len(out["shape"]): out["index"] for out in interpreter.get_output_details()}
            ready = interpreter, entry["index"], outputs[2], outputs[4]
            self._threads.ready = ready
        return ready

    def input(self, rendered: np.ndarray) -> np.ndarray:
        """float32 (side, side, 3) in [0, 1] of ``rendered``, uint8 (H, W), as serving makes it."""
        return model_input(rendered, self.side)

    def _run(self, rendered: np.ndarray, keep_map: bool) -> tuple[np.ndarray, ...]:
        interpreter, entry, probabilities, features = self._interpreter()
        interpreter.set_tensor(entry, self.input(rendered)[np.newaxis])
        interpreter.invoke()
        places = interpreter.get_tensor(features)[0]
        return (
            interpreter.get_tensor(probabilities)[0].copy(),
            places.mean(axis=(0, 1)),
            places.copy() if keep_map else None,
        )

    def outputs(self, images: Iterable[np.ndarray], *, maps: bool = False) -> Outputs:
        """Run every image, uint8 (H, W) each, in the order given."""
        with ThreadPoolExecutor(THREADS) as threads:
            found = list(threads.map(lambda image: self._run(image, maps), images))
        raw, features, places = zip(*found, strict=True)
        return Outputs(np.stack(raw), np.stack(features), np.stack(places) if maps else None)


def read_image(path: Path) -> np.ndarray:
    """A dataset's image, uint8 (H, W); raises :class:`DatasetInvalidError`."""
    image = decode(path.read_bytes()) if path.is_file() else None
    if image is None:
        raise DatasetInvalidError(reason=f"{path.name} is no image")
    return image
