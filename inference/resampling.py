"""How far a figure may be off: bootstrap by patient. NumPy alone.

Whole patients are drawn with replacement, because the radiographs of one patient are not
independent. A resample is not copied: it is a row of weights, how often each case counts, so
that a measure computes many resamples at once (see ``inference.metrics``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SAMPLES = 1000
SEED = 42
# Cells of the weights held at a time: 32 MB.
_CELLS = 4_000_000

# measure(truth, probabilities, weights (m, n)) -> (m,); measure(truth, probabilities) -> float
Measure = Callable[..., np.ndarray]


def resample(
    patients: np.ndarray, *, samples: int = SAMPLES, seed: int = SEED
) -> Iterator[np.ndarray]:
    """Weights, float64 (m, n), over chunks whose m add up to ``samples``.

    ``patients`` is (n,), one value a case. The same arguments give the same weights.
    """
    names, group = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    chunk = max(1, _CELLS // max(len(patients), 1))
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        yield drawn[:, group].astype(float)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the defined ``values``; NaN where none is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def intervals(
    measures: dict[str, Measure],
    truth: np.ndarray,
    probabilities: np.ndarray,
    patients: np.ndarray,
    *,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> dict[str, tuple[float, float]]:
    """The 95% percentile interval of each of ``measures``, all from the same resamples.

    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.
    """
    values: dict[str, list] = {name: [] for name in measures}
    for weights in resample(patients, samples=samples, seed=seed):
        for name, measure in measures.items():
            values[name].append(measure(truth, probabilities, weights))
    return {name: percentiles(np.concatenate(found)) for name, found in values.items()}


def paired_differences(
    measures: dict[str, Measure],
    truth: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    patients: np.ndarray,
    *,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> dict[str, dict]:
    """``other`` less ``one``, two models' probabilities of the same cases, by measure.

    ``difference``, its ``interval_95``, and ``p``: twice the share of resamples on the far
    side of zero (ties count half), at least 1 / ``samples``. Both models see the same drawn
    patients, so that what is hard for both cancels out.
    """
    values: dict[str, list] = {name: [] for name in measures}
    for weights in resample(patients, samples=samples, seed=seed):
        for name, measure in measures.items():
            gap = measure(truth, other, weights) - measure(truth, one, weights)
            values[name].append(gap)
    result = {}
    for name, found in values.items():
        gaps = np.concatenate(found)
        gaps = gaps[~np.isnan(gaps)]
        below = ((gaps < 0).mean() + (gaps == 0).mean() / 2) if len(gaps) else np.nan
        p = max(2 * min(below, 1 - below), 1 / samples)
        measure = measures[name]
        result[name] = {
            "difference": float(measure(truth, other) - measure(truth, one)),
            "interval_95": percentiles(gaps),
            "p": float(min(p, 1.0)),
        }
    return result
