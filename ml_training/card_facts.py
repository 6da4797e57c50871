"""What a model card says of the data and of subgroups, for ``facts.json``."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np

from inference.certainty import calibrate
from inference.metrics import json_ready
from inference.models import LABELS

from .boxes import read_boxes
from .comparison import subgroup_figures
from .comparison_candidates import Candidate
from .config import Config, data_folder
from .datasets import Dataset, Split, read_dataset, read_rows
from .errors import DatasetInvalidError
from .served import ServedNetwork

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


def further_facts(config: Config) -> dict:
    """``further`` of the ``data`` of the facts: what taught the network beside the index.

    ``lung_masked``: counts by class and the share of each batch; ``boxes``: of how many images.
    """
    found: dict = {}
    if config.frozen_cache and config.masked_index:
        labels = [row["label"] for row in read_rows(data_folder() / config.masked_index)]
        counts = {label: labels.count(label) for label in LABELS}
        found["lung_masked"] = {"counts": counts, "share": config.masked_share}
    if config.frozen_cache and config.boxes:
        found["boxes"] = {"images": len(read_boxes(data_folder() / config.boxes))}
    return {"further": found} if found else {}


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
    return {"split": split, "by": json_ready(by)}


def complete(folder: Path, index: Path) -> Path:
    """Give a model ``folder`` that was made before these facts were measured what it lacks.

    ``index`` is that of its data; the served network reads the test split again. Its facts
    change, so it must be registered afterwards. Returns ``folder``; raises
    :class:`DatasetInvalidError` when the data is not what the model was made with.
    """
    from .export import write_facts  # With it comes TensorFlow.

    facts = json.loads((folder / "facts.json").read_text())
    dataset = read_dataset(index)
    if dataset.fingerprint != facts["data"]["fingerprint"]:
        raise DatasetInvalidError(reason=f"it is not the data of {folder.name}")
    raw = ServedNetwork(folder).outputs(dataset.splits["test"].images).raw
    calibrated = calibrate(raw, facts["calibration"]["temperature"])
    facts["data"] |= population_facts(dataset)
    facts["subgroups"] = subgroup_facts(dataset, calibrated)
    write_facts(folder, facts)
    return folder
