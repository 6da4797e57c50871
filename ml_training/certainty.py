"""The certainty of a model version: everything of it in ``facts.json``, for a run or a refit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.certainty import calibrate
from inference.registry import FACTS_FORMAT, check_files, read_facts

from .calibration import calibration_facts
from .card_facts import population_facts, subgroup_facts
from .conformal import conformal_facts
from .datasets import Dataset
from .errors import DatasetInvalidError
from .export import FILES, export_weights, file_facts, write_facts
from .files import whole_folder
from .gate import GATE_FILE, gate_facts
from .predictions import network_inputs
from .triage import triage_facts

# Beside a folder of radiographs with an index, if it is there: what the gate is tried on.
OTHER_BODY_PARTS = "dicom/varied/not_chest"


def certainty_facts(
    raw: dict[str, np.ndarray], dataset: Dataset, folder: Path, *, others: Path | None = None
) -> dict:
    """``calibration``, ``conformal``, ``triage``, ``gate``, and the gate's entry in ``files``.

    ``raw`` is the network's softmax (n, 3) of the splits ``val`` and ``test`` of ``dataset``;
    ``folder`` holds the exported weights and gets ``gate.npz``. ``others`` is a folder of
    DICOM files of other parts of the body, for the gate's report.
    """
    truth = {name: dataset.splits[name].truth for name in ("val", "test")}
    patients = {name: dataset.splits[name].patients for name in ("val", "test")}
    calibration = calibration_facts(raw["val"], truth["val"])
    probabilities = {name: calibrate(raw[name], calibration["temperature"]) for name in truth}
    return {
        "calibration": calibration,
        "conformal": conformal_facts(probabilities, truth, patients),
        "triage": triage_facts(probabilities, truth, patients),
        "gate": gate_facts(folder / FILES["litert"], folder, dataset, others=others),
        "files": {"gate": file_facts(folder / GATE_FILE)},
    }


def other_body_parts(index: Path) -> Path | None:
    """The folder of radiographs of other body parts that belongs to the data of ``index``."""
    found = Path(index).parent.parent / OTHER_BODY_PARTS
    return found if found.is_dir() else None


def refit(folder: Path, target: Path, dataset: Dataset, *, version: str, others=None) -> Path:
    """A copy of the model ``folder`` at ``target`` with its certainty found anew, as ``version``.

    For a folder of format 1. The Keras model is exported again, so that the gate gets its
    output. Returns ``target``, which takes the place of what was there when it is whole; raises
    what the export raises, ``ModelFolderInvalidError`` for a folder whose files are not what its
    facts say, and :class:`DatasetInvalidError` unless ``dataset`` is what the model was made with.
    """
    import keras

    facts = read_facts(folder)
    check_files(folder, facts)
    if dataset.fingerprint != facts["data"]["fingerprint"]:
        raise DatasetInvalidError(reason=f"it is not the data of {folder.name}")
    size = int(facts["input_size"][0])
    served = keras.models.load_model(folder / facts["files"]["keras"]["name"], compile=False)
    model = keras.Model(served.input, served.output["probabilities"], name=served.name)
    inputs = {name: network_inputs(dataset.splits[name], size) for name in ("val", "test")}
    raw = {name: model.predict(images, batch_size=64, verbose=0) for name, images in inputs.items()}
    with whole_folder(target) as place:
        exported = export_weights(model, place, inputs["val"][: facts["parity"]["images"]])
        certainty = certainty_facts(raw, dataset, place, others=others)
        facts.pop("thresholds", None)
        facts |= exported | certainty | {"files": exported["files"] | certainty["files"]}
        facts |= {"format": FACTS_FORMAT, "version": version}
        facts["data"] |= population_facts(dataset)
        calibrated = calibrate(raw["test"], facts["calibration"]["temperature"])
        facts["subgroups"] = subgroup_facts(dataset, calibrated)
        write_facts(place, facts)
    return target
