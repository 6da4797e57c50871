"""From a trained network to the folder that the registry takes: Keras, LiteRT and facts."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from inference.litert import PROBABILITIES, Network
from inference.model_card_markdown import write_cards
from inference.model_input import INPUT_SIZE, MODEL_INPUT_VERSION
from inference.models import LABELS
from inference.registry import FACTS_FORMAT

from .architectures import BACKBONE, CLASSIFIER, with_features
from .errors import ExportParityError
from .files import write_whole
from .gate_output import with_gate_output

LARGEST_DIFFERENCE = 1e-4
FILES = {"keras": "model.keras", "litert": "model.tflite", "classifier": "classifier.npy"}


def litert_predict(path: Path, images: np.ndarray) -> np.ndarray:
    """The LiteRT export's probabilities, float32 (n, 3), for ``images`` (n, size, size, 3)."""
    network = Network(path.read_bytes())
    return np.stack([network.run(image)[PROBABILITIES] for image in images])


def export_weights(model: keras.Model, folder: Path, parity_images: np.ndarray) -> dict:
    """Write the Keras model, the LiteRT export and the classifier's kernel into ``folder``.

    Returns ``files``, ``parity`` and ``input_size`` of ``facts.json``. Raises
    :class:`ExportParityError` when a probability of the export differs from Keras's by
    more than 1e-4 on ``parity_images``, float32 (n, size, size, 3), and, having
    written nothing, :class:`ModelNotServableError` for a network that reads more than an image
    or whose class activation map would not be exact.
    """
    served = with_features(model)
    folder.mkdir(parents=True, exist_ok=True)
    served.save(folder / FILES["keras"], include_optimizer=False)
    signature = [keras.InputSpec(shape=(1, *model.input.shape[1:]), dtype="float32")]
    with tempfile.TemporaryDirectory() as saved:
        exported = with_gate_output(served, BACKBONE)
        exported.export(saved, verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        (folder / FILES["litert"]).write_bytes(converter.convert())
    kernel = model.get_layer(CLASSIFIER).kernel.numpy().astype(np.float32)
    np.save(folder / FILES["classifier"], kernel)
    expected = keras.models.load_model(folder / FILES["keras"], compile=False).predict(
        parity_images, batch_size=32, verbose=0
    )["probabilities"]
    difference = float(
        abs(expected - litert_predict(folder / FILES["litert"], parity_images)).max()
    )
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportParityError(difference=difference)
    return {
        "files": {kind: file_facts(folder / name) for kind, name in FILES.items()},
        "parity": {"images": len(parity_images), "max_abs_difference": difference},
        "input_size": list(model.input.shape[1:3]),
    }


def file_facts(path: Path) -> dict:
    content = path.read_bytes()
    return {
        "name": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def write_facts(folder: Path, facts: dict) -> None:
    """Write ``facts.json`` with what every model folder must say of its input and output,
    and the model cards made from it.

    ``input_size`` is 256 x 256 unless ``facts`` says another.
    """
    common = {
        "format": FACTS_FORMAT,
        "labels": list(LABELS),
        "preprocessing_version": MODEL_INPUT_VERSION,
        "input_size": [INPUT_SIZE, INPUT_SIZE],
    }
    facts = common | facts
    write_whole(folder / "facts.json", json.dumps(facts, indent=2) + "\n")
    write_cards(folder, facts)
