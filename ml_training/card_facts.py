"""What a model card says of the data and of subgroups, for ``facts.json``."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np

from .comparison import subgroup_figures
from .comparison_candidates import Candidate
from .datasets import Dataset, Split

ADULT = 18


def population_facts(dataset: Dataset) -> dict:
    """``population`` by split and ``patients_in_several_splits`` of the ``data`` of the facts.

    Ages are in whole years; those not known are counted in ``n`` alone.
    """
    parts = {name: split for name, split in dataset.splits.items() if len(split.truth)}
    patients = {name: set(split.patients.tolist()) for name, split in parts.items()}
    shared = set().union(*(one & other for one, other in combinations(patients.values(), 2)))
    return {
        "population": {name: _population(split) for name, split in parts.items()},
        "patients_in_several_splits": len(shared),
    }


def _population(split: Split) -> dict:
    ages = split.ages[~np.isnan(split.ages)]
    return {
        "n": len(split.truth),
        "patients": len(set(split.patients.tolist())),
        "ages": {
            "known": len(ages),
            "min": float(ages.min()) if len(ages) else None,
            "median": float(np.median(ages)) if len(ages) else None,
            "max": float(ages.max()) if len(ages) else None,
            "under_18": int((ages < ADULT).sum()),
        },
        "sexes": _counts(split.sexes),
        "views": _counts(split.views),
        "origins": _counts(split.origins),
    }


def _counts(values: np.ndarray) -> dict[str, int]:
    return dict(sorted(Counter(values.tolist()).items()))


def subgroup_facts(dataset: Dataset, probabilities: np.ndarray, *, split: str = "test") -> dict:
    """``subgroups`` of the facts: as :func:`.comparison.subgroup_figures`, of one model.

    ``probabilities`` is calibrated, float (n, 3), of the cases of ``split``.
    """
    name = "model"
    candidate = Candidate(name, Path(), {}, {}, [], probabilities={split: probabilities})
    found = subgroup_figures(dataset.splits[split], [candidate], split)
    by = {
        key: [group | {"figures": group["figures"][name]} for group in groups]
        for key, groups in found.items()
    }
    # Undefined figures are None in JSON.
    return {"split": split, "by": json.loads(json.dumps(by), parse_constant=lambda _text: None)}
