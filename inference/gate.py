"""Whether an image is like those that a model knows: a distance in the network's own features.

Pure NumPy. ``ml_training.gate`` fits the numbers; they are part of the model version.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

FARTHEST = 1e6
_ARRAYS = ("mean", "directions", "spreads", "rest")


@dataclass(frozen=True)
class Gate:
    """A normal distribution of the features of known images, and how far is too far.

    The score is the squared Mahalanobis distance (Lee et al., *A Simple Unified Framework
    for Detecting Out-of-Distribution Samples*, NeurIPS 2018) in the ``k`` principal
    directions, plus what lies outside them, each divided by its mean over known images
    (Tipping and Bishop, *Probabilistic Principal Component Analysis*, JRSS B 1999), and
    divided by ``threshold``: up to 1 the image is let pass.

    - ``mean``: float (channels,); ``directions``: float (channels, k), orthonormal;
      ``spreads``: float (k,), standard deviations; ``rest``: float, the mean squared
      length outside the directions.
    """

    mean: np.ndarray
    directions: np.ndarray
    spreads: np.ndarray
    rest: float
    threshold: float

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Float64 (...,), about 2 for known images, of ``features``, float (..., channels)."""
        offset = features.astype(np.float64) - self.mean
        inside = offset @ self.directions
        outside = np.maximum((offset**2).sum(axis=-1) - (inside**2).sum(axis=-1), 0)
        return ((inside / self.spreads) ** 2).mean(axis=-1) + outside / self.rest

    def score(self, features: np.ndarray) -> float:
        """The score of one image's ``features`` (channels,), at most ``FARTHEST``."""
        with np.errstate(over="ignore", invalid="ignore"):
            score = float(self.distance(features)) / self.threshold
        # What is not a number is far as well, and a database takes no infinity.
        return min(score, FARTHEST) if np.isfinite(score) else FARTHEST

    def to_bytes(self) -> bytes:
        """The content of ``gate.npz``; the threshold is kept in ``facts.json``."""
        file = io.BytesIO()
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in _ARRAYS}
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, threshold: float) -> Gate:
        """The gate in ``content``; raises ``ValueError`` when it is not one."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                arrays = {name: found[name].astype(np.float64) for name in _ARRAYS}
        except (KeyError, OSError, EOFError, BadZipFile) as error:
            raise ValueError("no gate") from error
        channels, k = arrays["directions"].shape
        shapes = {"mean": (channels,), "spreads": (k,), "rest": ()}
        if any(arrays[name].shape != shape for name, shape in shapes.items()):
            raise ValueError("a gate of other shapes")
        if not all(np.isfinite(values).all() for values in arrays.values()):
            raise ValueError("a gate with numbers that are not finite")
        if not ((arrays["spreads"] > 0).all() and arrays["rest"] > 0 and threshold > 0):
            raise ValueError("a gate without a scale")
        return cls(**arrays | {"rest": float(arrays["rest"])}, threshold=threshold)
