"""A model folder run over many images for an analysis: what serving computes, and more of it.

Serving (``inference.engine``) keeps a reading's probabilities and one map; an analysis also
wants the features behind them. Latency is measured on serving itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.litert import FEATURES, PROBABILITIES, Network
from inference.model_input import model_input
from inference.pictures import decode
from inference.registry import read_facts, read_file

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
        self._network = Network(read_file(self.folder, self.facts, "litert"))
        self.kernel = np.load(self.folder / self.facts["files"]["classifier"]["name"])

    def input(self, rendered: np.ndarray) -> np.ndarray:
        """float32 (side, side, 3) in [0, 1] of ``rendered``, uint8 (H, W), as serving makes it."""
        return model_input(rendered, self.side)

    def _run(self, rendered: np.ndarray, keep_map: bool) -> tuple[np.ndarray, ...]:
        found = self._network.run(self.input(rendered))
        places = found[FEATURES]
        return found[PROBABILITIES], places.mean(axis=(0, 1)), places if keep_map else None

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
