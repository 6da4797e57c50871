"""Does the class activation map show where the opacity is?

Against the boxes that radiologists drew for the challenge, and against maps of a network that
has learned nothing (Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.engine import local_probability
from inference.models import LABELS
from inference.resampling import percentiles, resample

from . import boxes as box_files
from .served import Outputs, ServedNetwork

OPACITY = LABELS.index("lung_opacity")


def read_boxes(path: Path) -> dict[str, np.ndarray]:
    """The boxes of each image, float (k, 4): left, top, right, bottom as shares of the sides.

    See :func:`.boxes.read_boxes`.
    """
    return {
        name: np.clip(np.c_[found[:, :2], found[:, :2] + found[:, 2:]], 0, 1)
        for name, found in box_files.read_boxes(path).items()
    }


def opacity_maps(network: ServedNetwork, outputs: Outputs) -> np.ndarray:
    """The map of ``lung_opacity`` as serving draws it, float32 (n, h, w), whatever was read."""
    temperature = float(network.facts["calibration"]["temperature"])
    return np.stack(
        [
            local_probability(places, network.kernel, raw, temperature)[..., OPACITY]
            for places, raw in zip(outputs.maps, outputs.raw, strict=True)
        ]
    )


def hottest(activation: np.ndarray) -> tuple[float, float]:
    """The middle of the highest cell of ``activation`` (h, w): x, y as shares of the sides."""
    rows, columns = activation.shape
    row, column = divmod(int(activation.argmax()), columns)
    return (column + 0.5) / columns, (row + 0.5) / rows


def is_inside(point: tuple[float, float], boxes: np.ndarray) -> bool:
    x, y = point
    inside = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
    return bool(inside.any())


def covered_share(boxes: np.ndarray, grid: int = 128) -> float:
    """Share of the image that lies in a box, overlaps counted once: what a random point hits."""
    centres = (np.arange(grid) + 0.5) / grid
    covered = np.zeros((grid, grid), bool)
    for left, top, right, bottom in boxes:
        covered |= np.outer(
            (top <= centres) & (centres <= bottom), (left <= centres) & (centres <= right)
        )
    return float(covered.mean())


def box_hits(maps: np.ndarray, boxes: list[np.ndarray], patients: np.ndarray) -> dict:
    """How often the hottest point of a map lies in a box of its image.

    ``maps`` is (n, h, w), ``boxes`` one (k, 4) for each. ``hit_rate`` with ``interval_95`` by
    patient; ``random_point``, the mean share of the image that boxes cover; ``other_map``, the
    rate with the maps of all other images: what knowing where opacities usually lie gives.
    """
    points = [hottest(one) for one in maps]
    table = np.array([[is_inside(point, mine) for point in points] for mine in boxes], float)
    hits = np.diag(table)
    drawn = [weights @ hits / weights.sum(axis=1) for weights in resample(patients)]
    size = len(hits)
    others = (table.sum() - hits.sum()) / (size * (size - 1)) if size > 1 else float("nan")
    return {
        "n": size,
        "hit_rate": float(hits.mean()),
        "interval_95": _widened(percentiles(np.concatenate(drawn)), hits),
        "random_point": float(np.mean([covered_share(mine) for mine in boxes])),
        "other_map": float(others),
        "hits": hits.astype(bool).tolist(),
    }


def _widened(interval: tuple[float, float], hits: np.ndarray) -> tuple[float, float]:
    """The interval; where all or none were hits, resamples don't differ and the exact bound is
    taken (Clopper and Pearson, Biometrika 1934)."""
    bound = 0.025 ** (1 / len(hits))
    if not hits.any():
        return 0.0, 1 - bound
    return (bound, 1.0) if hits.all() else interval


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of two maps; NaN where one of them is flat. Ties share a rank."""
    ranks = []
    for values in (one.ravel(), other.ravel()):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((counts.cumsum() - (counts - 1) / 2)[place])
    if min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def randomised_classifier(
    network: ServedNetwork, outputs: Outputs, *, seed: int = 42
) -> np.ndarray:
    """The maps of :func:`opacity_maps` with the last layer's weights shuffled, (n, h, w)."""
    kernel = np.random.default_rng(seed).permuted(network.kernel, axis=None)
    return np.stack([(places @ kernel)[..., OPACITY] for places in outputs.maps])


def randomised_network(
    network: ServedNetwork, images: list[np.ndarray], *, seed: int = 42
) -> np.ndarray:
    """The evidence maps (n, h, w) after the weights of every layer were shuffled within it.

    Needs Keras and the folder's ``model.keras``.
    """
    import keras

    path = network.folder / network.facts["files"]["keras"]["name"]
    model = keras.models.load_model(path, compile=False)
    random = np.random.default_rng(seed)
    model.set_weights([random.permuted(weights, axis=None) for weights in model.get_weights()])
    inputs = np.stack([network.input(image) for image in images])
    places = model.predict(inputs, batch_size=16, verbose=0)["features"]
    kernel = random.permuted(network.kernel, axis=None)
    return (places @ kernel)[..., OPACITY]


def correlations(maps: np.ndarray, others: np.ndarray) -> dict:
    """Mean rank correlation of the pairs of maps and the share of pairs above 0.5."""
    each = np.array([rank_correlation(a, b) for a, b in zip(maps, others, strict=True)])
    each = each[~np.isnan(each)]
    return {
        "n": len(each),
        "mean": float(each.mean()) if len(each) else float("nan"),
        "mean_absolute": float(abs(each).mean()) if len(each) else float("nan"),
        "alike": float((each > 0.5).mean()) if len(each) else float("nan"),
    }
