"""From the best weights of a run to its predictions, figures and, if it can serve, its model."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import keras

from inference.certainty import calibrate
from inference.metrics import evaluate

from .architectures import check_servable
from .calibration import calibration_facts
from .callbacks import BEST, state_of
from .card_facts import further_facts, population_facts, subgroup_facts
from .config import Config
from .datasets import Dataset, read_dataset, stated_facts
from .errors import ConfigInvalidError, ModelNotServableError
from .files import whole_folder, write_whole
from .predictions import network_inputs, predict_splits
from .runs import check_claim, held, libraries, revision, what_was_done
from .teachers import trained_network

PARITY_IMAGES = 64


def source_facts(config: Config) -> dict[str, str]:
    """Name and terms of the data: as the configuration says, else as its dataset folder does.

    An index of one's own is called as its folder, and nothing is said of its terms.
    """
    index = config.index_path
    folder = index if index.is_dir() else index.parent
    known = stated_facts(folder)
    found = {"name": config.data_name or known.get("name") or folder.resolve().name}
    if terms := config.data_terms or known.get("terms"):
        found["terms"] = terms
    return found


def finish(config: Config, folder: Path) -> Path:
    """Predict, calibrate, measure and export the best weights of a run that was stopped.

    Returns the model folder, or the run folder for a network that cannot be served (its
    ``run.json`` says why) and on a backend that cannot export. Raises
    :class:`ConfigInvalidError` and ``RunBusyError``.
    """
    if not (folder / BEST).is_file():
        raise ConfigInvalidError(reason=f"{folder.name} holds no weights yet")
    with held(folder):
        check_claim(folder, config)
        return finish_held(config, folder, read_dataset(config.index_path))


def finish_held(config: Config, folder: Path, dataset: Dataset) -> Path:
    """:func:`finish` for whoever holds the folder and has read the ``dataset``."""
    state = state_of(folder)
    if state and state["fingerprint"] != dataset.fingerprint:
        raise ConfigInvalidError(reason=f"{folder.name} holds a run on other data")
    model = trained_network(config, folder)
    raw = predict_splits(model, dataset, folder, config.fusion)
    target, refused = folder / "model", _not_servable(model, raw)
    with nullcontext() if refused else whole_folder(target) as export:
        facts = _facts(config, folder, dataset, model, raw, refused, export)
        if export:
            from .export import write_facts  # With it comes TensorFlow.

            write_facts(export, facts)
    write_whole(folder / "run.json", json.dumps(facts, indent=2))
    return folder if refused else target


def _not_servable(model: keras.Model, raw: dict) -> ModelNotServableError | None:
    """Why ``model`` cannot be exported, if so."""
    try:
        check_servable(model)
    except ModelNotServableError as error:
        return error
    if keras.backend.backend() != "tensorflow":
        return ModelNotServableError(reason="only Keras on TensorFlow exports it")
    if "test" not in raw:
        return ModelNotServableError(reason="no test split says what its certainty is worth")
    return None


def _facts(
    config: Config,
    folder: Path,
    dataset: Dataset,
    model: keras.Model,
    raw: dict,
    refused: ModelNotServableError | None,
    export: Path | None,
) -> dict:
    """What ``run.json`` and ``facts.json`` say; exports into ``export`` unless it is refused."""
    if refused:
        said = {"code": refused.code, "params": refused.params}
        found = {"servable": False, "not_servable": said} | _calibrated(raw, dataset)
    else:
        found = _exported(model, config, raw, dataset, export)
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
    return facts


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
