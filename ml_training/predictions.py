"""What a network says of radiographs; ``predictions.npz`` is read without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from inference.model_input import model_input

from .architectures import CLASSIFIER, FACTS, IMAGE, POOLING
from .datasets import Dataset, Split
from .files import whole
from .fusion import fused_facts

PREDICTIONS = "predictions.npz"
_CHUNK = 256


def network_inputs(
    split: Split, size: int, fusion: tuple[str, ...] = (), cases: slice = slice(None)
) -> np.ndarray | dict[str, np.ndarray]:
    """The radiographs of a split as serving would see them, float32 (n, size, size, 3)."""
    images = [model_input(image, size) for image in split.images[cases]]
    stacked = np.stack(images) if images else np.zeros((0, size, size, 3), np.float32)
    return {IMAGE: stacked, FACTS: fused_facts(split, fusion)[cases]} if fusion else stacked


def predict(model: keras.Model, inputs: np.ndarray | dict) -> np.ndarray:
    """Probabilities, float32 (n, 3)."""
    found = model.predict(inputs, batch_size=64, verbose=0)
    return found[CLASSIFIER] if isinstance(found, dict) else found


def predict_splits(
    model: keras.Model, dataset: Dataset, folder: Path, fusion: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Write ``predictions.npz`` of every split that has cases; the probabilities by split.

    By split: ``ids``, ``truth``, ``probabilities`` (uncalibrated, float32 (n, 3)) and
    ``features`` (float32 (n, channels), what the classifier sees of the image).
    """
    size = model.get_layer(IMAGE).output.shape[1]
    both = keras.Model(model.input, [model.output, _pooled(model)])
    arrays, raw = {}, {}
    for name, split in dataset.splits.items():
        if not len(split.truth):
            continue
        parts = [
            both.predict(
                network_inputs(split, size, fusion, slice(start, start + _CHUNK)),
                batch_size=64,
                verbose=0,
            )
            for start in range(0, len(split.truth), _CHUNK)
        ]
        raw[name] = np.concatenate([part[0] for part in parts])
        arrays[f"{name}_ids"], arrays[f"{name}_truth"] = split.ids.astype(str), split.truth
        arrays[f"{name}_probabilities"] = raw[name]
        arrays[f"{name}_features"] = np.concatenate([part[1] for part in parts])
    with whole(folder / PREDICTIONS) as path:
        np.savez(path, **arrays)
    return raw


def _pooled(model: keras.Model) -> keras.KerasTensor:
    """The mean of the last feature map over its places; not every network has it for itself."""
    layers = {layer.name: layer for layer in model.layers}
    if POOLING in layers:
        return layers[POOLING].output
    (flat,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    return keras.layers.GlobalAveragePooling2D()(flat.input)
