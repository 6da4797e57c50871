"""Networks by name. Each ends in global average pooling and one dense layer, so that the
class activation map is exact (Zhou et al., CVPR 2016)."""

from __future__ import annotations

from pathlib import Path

import keras

from inference.model_input import INPUT_SIZE
from inference.models import LABELS

from .errors import ConfigInvalidError

CLASSIFIER = "classifier"
BACKBONE = "backbone"
POOLING = "pooling"


def mobilenetv2(weights: str | Path | None) -> keras.Model:
    """MobileNetV2 at width 1.0 without its top; input in [-1, 1] (Sandler et al., CVPR 2018)."""
    shape = (INPUT_SIZE, INPUT_SIZE, 3)
    if weights is None or weights == "imagenet":
        return keras.applications.MobileNetV2(shape, include_top=False, weights=weights)
    if not Path(weights).is_file():
        raise ConfigInvalidError(reason=f"no weights at {weights}")
    pooled = keras.applications.MobileNetV2(shape, include_top=False, weights=None, pooling="avg")
    pooled.load_weights(weights)
    backbone = keras.applications.MobileNetV2(shape, include_top=False, weights=None)
    backbone.set_weights(pooled.get_weights())
    return backbone


BACKBONES = {"mobilenetv2": mobilenetv2}


def build(
    architecture: str,
    *,
    weights: str | Path | None,
    trainable_from: str = "all",
    dropout: float = 0.0,
) -> keras.Model:
    """The network ``architecture``: float (n, 256, 256, 3) in [0, 1] -> probabilities (n, 3).

    The layers of the backbone before ``trainable_from`` are frozen; batch normalisation
    keeps its statistics throughout (small batches of few patients would spoil them).
    Raises :class:`ConfigInvalidError` for a name, layer or weights file that is not there.
    """
    if architecture not in BACKBONES:
        raise ConfigInvalidError(reason=f"unknown architecture {architecture}")
    backbone = BACKBONES[architecture](weights)
    backbone.name = BACKBONE
    names = [layer.name for layer in backbone.layers]
    if trainable_from != "all" and trainable_from not in names:
        raise ConfigInvalidError(reason=f"no layer {trainable_from}")
    first = 0 if trainable_from == "all" else names.index(trainable_from)
    for place, layer in enumerate(backbone.layers):
        fixed = isinstance(layer, keras.layers.BatchNormalization) and weights is not None
        layer.trainable = place >= first and not fixed
    image = keras.Input((INPUT_SIZE, INPUT_SIZE, 3), name="image")
    scaled = keras.layers.Rescaling(2.0, -1.0)(image)
    features = backbone(scaled, training=False) if weights is not None else backbone(scaled)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLING)(features)
    dropped = keras.layers.Dropout(dropout)(pooled)
    probabilities = keras.layers.Dense(len(LABELS), activation="softmax", name=CLASSIFIER)(dropped)
    return keras.Model(image, probabilities, name=architecture)


def with_features(model: keras.Model) -> keras.Model:
    """``model`` with two outputs: ``probabilities`` (n, 3) and ``features`` (n, 8, 8, channels).

    ``features`` is the last feature map, the input of the global average pooling.
    """
    outputs = {"probabilities": model.output, "features": model.get_layer(POOLING).input}
    return keras.Model(model.input, outputs, name=model.name)
