"""From the best weights of a run to its predictions, figures and, if it can serve, its model."""

from __future__ import annotations

import json
from pathlib import Path

import keras

from inference.certainty import calibrate
from inference.metrics import evaluate

from .architectures import check_servable
from .calibration import calibration_facts
from .callbacks import BEST
from .card_facts import further_facts, population_facts, subgroup_facts
from .config import Config
from .datasets import Dataset, read_dataset
from .errors import ConfigInvalidError, ModelNotServableError
from .predictions import network_inputs, predict_splits
from .runs import claim, libraries, revision, what_was_done
from .teachers import trained_network

PARITY_IMAGES = 64


def source_facts(config: Config) -> dict[str, str]:
    """Name and terms of the data: as the configuration says, else as its dataset folder does.

    An index of one's own is called as its folder, and nothing is said of its terms.
    """
    index = config.index_path
    folder = index if index.is_dir() else index.parent
    stated = folder / "dataset.json"
    known = json.loads(stated.read_text("utf-8")) if stated.is_file() else {}
    found = {"name": config.data_name or known.get("name") or folder.resolve().name}
    if terms := config.data_terms or known.get("terms"):
        found["terms"] = terms
    return found


def finish(config: Config, folder: Path, *, dataset: Dataset | None = None) -> Path:
    """Predict, calibrate, measure and export the best weights; also of a run that was stopped.

    Returns the model folder, or the run folder for a network that cannot be served (its
    ``run.json`` says why) and on a backend that cannot export.
    """
    dataset = dataset or read_dataset(config.index_path)
    if not (folder / BEST).is_file():
        raise ConfigInvalidError(reason=f"{folder.name} holds no weights yet")
    claim(folder, config)
    model = trained_network(config, folder)
    raw = predict_splits(model, dataset, folder, config.fusion)
    try:
        check_servable(model)
        if keras.backend.backend() != "tensorflow":
            raise ModelNotServableError(reason="only Keras on TensorFlow exports it")
        if "test" not in raw:
            raise ModelNotServableError(reason="no test split says what its certainty is worth")
    except ModelNotServableError as error:
        found = {"servable": False, "not_servable": str(error)} | _calibrated(raw, dataset)
        target = folder
    else:
        target = folder / "model"
        found = _exported(model, config, raw, dataset, target)
    temperature = found["calibration"]["temperature"]
    metrics = {
        name: evaluate(
            dataset.splits[name].truth,
            calibrate(raw[name], temperature),
            dataset.splits[name].patients,
        )
        for name in ("val", "test")
        if name in raw
    }
    facts = {
        "name": config.name,
        "version": config.version,
        "architecture": config.architecture,
        "input_size": [config.input_size, config.input_size],
        "parameters": model.count_params(),
        **found,
        "metrics": metrics,
        "data": {
            **source_facts(config),
            "fingerprint": dataset.fingerprint,
            "counts": dataset.counts,
            **population_facts(dataset),
            **further_facts(config),
        },
        "libraries": libraries(),
        "training": {
            "config": config.as_dict(),
            "backend": keras.backend.backend(),
            "revision": revision(),
            **what_was_done(folder),
        },
    }
    if "test" in raw:
        calibrated = calibrate(raw["test"], temperature)
        facts["subgroups"] = subgroup_facts(dataset, calibrated)
    if target != folder:
        from .export import write_facts

        write_facts(target, facts)
    (folder / "run.json").write_text(json.dumps(facts, indent=2))
    return target


def _calibrated(raw: dict, dataset: Dataset) -> dict:
    return {"calibration": calibration_facts(raw["val"], dataset.splits["val"].truth)}


def _exported(
    model: keras.Model, config: Config, raw: dict, dataset: Dataset, target: Path
) -> dict:
    # TensorFlow is imported by these.
    from .certainty import certainty_facts, other_body_parts
    from .export import export_weights

    some = network_inputs(dataset.splits["val"], config.input_size, cases=slice(PARITY_IMAGES))
    exported = export_weights(model, target, some)
    certainty = certainty_facts(raw, dataset, target, others=other_body_parts(config.index_path))
    files = exported["files"] | certainty["files"]
    return exported | certainty | {"files": files}
