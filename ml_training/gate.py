"""Fitting and measuring the gate that refuses images unlike those a model knows.

Fitted to the training radiographs alone; the limit is set between the validation
radiographs and images that must be refused (photographs, synthetic pictures, radiographs
turned); measured on the test radiographs and on other such images. See ``inference.gate``
for the distance, ``gate_output`` for the features.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import beta

from inference.gate import Gate
from inference.litert import Network, gate_features
from inference.model_input import model_input

from .strangers import Stranger, negatives, photographs, real_strangers, synthetic, turned

GATE_FILE = "gate.npz"
DIRECTIONS = 32
# Of the validation radiographs, at most so many are refused; of strangers, so many may pass.
REFUSED_AT_MOST = 0.015
PASSING_AT_MOST = 0.02
THREADS = 2


class GateFeatures:
    """What the LiteRT export at ``path`` gives the gate for images, uint8 (H, W) each."""

    def __init__(self, path: Path) -> None:
        self._network = Network(Path(path).read_bytes())
        self._size = self._network.input_shape[1]

    def _run(self, image: np.ndarray) -> np.ndarray:
        return gate_features(self._network.run(model_input(image, self._size)))

    def __call__(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Float32 (n, channels)."""
        cv2.setNumThreads(1)
        with ThreadPoolExecutor(THREADS) as threads:
            return np.stack(list(threads.map(self._run, images)))


def fit_gate(features: np.ndarray, *, directions: int = DIRECTIONS) -> Gate:
    """The gate of known images with these ``features``, float (n, channels); its limit is 1.0.

    Spreads below a thousandth of the largest are taken as that: a silent channel must not
    turn rounding into distance.
    """
    features = features.astype(np.float64)
    n, channels = features.shape
    k = max(1, min(directions, channels // 2, n // 4))
    mean = features.mean(axis=0)
    offset = features - mean
    variances, vectors = np.linalg.eigh(offset.T @ offset / max(n - 1, 1))
    order = np.argsort(variances)[::-1][:k]
    spreads = np.sqrt(np.maximum(variances[order], 0))
    floor = max(spreads.max() * 1e-3, 1e-6)
    inside = offset @ vectors[:, order]
    rest = ((offset**2).sum(axis=1) - (inside**2).sum(axis=1)).mean()
    return Gate(
        mean, vectors[:, order], np.maximum(spreads, floor), max(float(rest), floor**2), 1.0
    )


def gate_threshold(known: np.ndarray, strange: Iterable[np.ndarray]) -> float:
    """Where to refuse, from distances of known images, (n,), and of groups of strange ones.

    Halfway (as ratios go) between the distance that 1.5% of the known exceed and the one
    that 2% of the nearest group stay below; never below the first. The room left on the side
    of the known is for radiographs of other hospitals.
    """
    ranked = np.sort(known)
    near = ranked[min(len(ranked) - 1, int(np.ceil(len(ranked) * (1 - REFUSED_AT_MOST))) - 1)]
    far = min((np.quantile(group, PASSING_AT_MOST) for group in strange), default=near)
    return float(np.sqrt(near * max(far, near)))


def _grouped(strangers: Iterable[Stranger]) -> dict[str, list[Stranger]]:
    groups: dict[str, list[Stranger]] = {}
    for stranger in strangers:
        groups.setdefault(stranger.group, []).append(stranger)
    return groups


def gate_facts(litert: Path, folder: Path, dataset, *, others: Path | None = None) -> dict:
    """Fit the gate of the export ``litert``, write ``folder/gate.npz``, return the facts' ``gate``.

    ``dataset`` is a :class:`ml_training.datasets.Dataset`: ``train`` is what is known,
    ``val`` sets the limit, ``test`` is reported. ``others`` is a folder of DICOM files that
    are no chest radiographs, for the report alone. In ``measured``, ``known`` is how many
    test radiographs are refused, ``strangers`` how many of each group of images that must
    be.
    """
    network = GateFeatures(litert)
    train, val, test = (dataset.splits[name] for name in ("train", "val", "test"))
    gate = fit_gate(network(train.images))
    choosing = _grouped(
        [*turned(val.images, val.patients), *synthetic(seed=1), *photographs(first=True)]
    )
    known = gate.distance(network(val.images))
    distances = {
        group: gate.distance(network(stranger.image for stranger in strangers))
        for group, strangers in choosing.items()
    }
    gate = Gate(
        gate.mean,
        gate.directions,
        gate.spreads,
        gate.rest,
        gate_threshold(known, distances.values()),
    )
    content = gate.to_bytes()
    (folder / GATE_FILE).write_bytes(content)
    # Measured as it will be read.
    gate = Gate.from_bytes(content, gate.threshold)
    reporting = _grouped(
        [
            *turned(test.images, test.patients),
            *negatives(test.images, test.patients),
            *synthetic(seed=2),
            *photographs(first=False),
            *real_strangers(others),
        ]
    )
    return {
        "method": "Mahalanobis distance and reconstruction error in principal directions of a "
        "middle layer, fitted to the training radiographs",
        "file": GATE_FILE,
        "threshold": gate.threshold,
        "directions": int(gate.directions.shape[1]),
        "channels": int(gate.directions.shape[0]),
        "chosen_on": {"val": len(known)} | {group: len(found) for group, found in choosing.items()},
        "measured": {
            "known": _measure(gate, network(test.images), test.patients),
            "strangers": {
                group: _measure(
                    gate,
                    network(stranger.image for stranger in found),
                    np.array([stranger.source for stranger in found]),
                )
                for group, found in reporting.items()
            },
        },
        "not_tested": ["lateral"],
    }


def _measure(gate: Gate, features: np.ndarray, sources: np.ndarray) -> dict:
    """Share refused, with the exact 95% interval (Clopper and Pearson, Biometrika 1934).

    The interval counts sources, not images. A bootstrap would give none where all or none
    are refused.
    """
    scores = gate.distance(features) / gate.threshold
    refused = ~(scores <= 1)
    share, n = float(refused.mean()), len(np.unique(sources))
    hits = share * n
    low = beta.ppf(0.025, hits, n - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return {
        "n": len(refused),
        "sources": n,
        "refused": share,
        "interval_95": [float(low), float(high)],
        "score_median": float(np.median(scores)),
    }
