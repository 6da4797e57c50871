"""Shares and means over parts of a split, each with its interval: what certainty is measured by."""

from __future__ import annotations

import numpy as np

from inference.metrics import json_ready, ratio
from inference.resampling import percentiles, resample


def measure_shares(
    quantities: dict[str, tuple[np.ndarray, np.ndarray]], patients: np.ndarray
) -> tuple[dict, dict]:
    """The mean of each quantity and its 95% interval, bootstrapped by patient.

    A quantity is ``(values (n,), among bool (n,))``: the mean of the values among these
    cases. Without a case it is ``None``, as JSON has no NaN.
    """
    names = list(quantities)
    parts = np.stack([values * among for values, among in quantities.values()]).astype(float).T
    wholes = np.stack([among for _values, among in quantities.values()]).astype(float).T
    found = ratio(parts.sum(axis=0), wholes.sum(axis=0))
    drawn = np.concatenate(
        [ratio(weights @ parts, weights @ wholes) for weights in resample(patients)]
    )
    intervals = {name: percentiles(drawn[:, place]) for place, name in enumerate(names)}
    return json_ready(dict(zip(names, found.tolist(), strict=True))), json_ready(intervals)
