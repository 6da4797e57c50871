"""Age, sex and view beside the image: late fusion, off unless a configuration asks for it."""

from __future__ import annotations

import numpy as np

from .datasets import Split

# What a value that is not known becomes: zeros alone, so that it says nothing.
FUSIBLE = {"age": 2, "sex": 2, "view": 2}
BLANKED = 0.1


def fused_size(names: tuple[str, ...]) -> int:
    """How many numbers the facts ``names`` (of ``FUSIBLE``) become."""
    return sum(FUSIBLE[name] for name in names)


def fused_facts(split: Split, names: tuple[str, ...]) -> np.ndarray:
    """Float32 (n, :func:`fused_size`): the facts ``names`` of each case, zeros where missing.

    An age is (known, years / 50 - 1); sex is (F, M); view is (AP, PA).
    """
    columns: list[np.ndarray] = []
    for name in names:
        if name == "age":
            known = ~np.isnan(split.ages)
            columns += [known, np.where(known, np.nan_to_num(split.ages) / 50 - 1, 0)]
        elif name == "sex":
            columns += [split.sexes == "F", split.sexes == "M"]
        else:
            columns += [split.views == "AP", split.views == "PA"]
    return np.stack(columns, axis=1).astype(np.float32)


def blank(facts: np.ndarray, names: tuple[str, ...], random: np.random.Generator) -> np.ndarray:
    """``facts`` (n, m) with each fact forgotten in one case of ten, so that none is leant on."""
    kept = [
        np.repeat(random.random((len(facts), 1)) >= BLANKED, FUSIBLE[name], axis=1)
        for name in names
    ]
    return facts * np.concatenate(kept, axis=1).astype(np.float32)
