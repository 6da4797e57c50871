"""Networks by name: float images (n, size, size, 3) in [0, 1] to probabilities (n, 3).

What each network was made to read (other scales, the ImageNet mean taken off) is a layer
inside it. All but ``cnn_original`` end in global average pooling, dropout and one dense
layer: less to learn than the dense layers that these networks were published with, and the
class activation map is exact (Zhou et al., CVPR 2016), so that these can be served.

Nothing here is of one Keras backend: the definitions build on JAX and PyTorch as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from inference.model_input import INPUT_SIZE
from inference.models import LABELS

from .errors import ConfigInvalidError, ModelNotServableError
from .fusion import FUSIBLE, fused_size

CLASSIFIER = "classifier"
BACKBONE = "backbone"
POOLING = "pooling"
IMAGE = "image"
FACTS = "facts"
IMAGENET = "imagenet"

_MEAN = np.array([0.485, 0.456, 0.406])
_DEVIATION = np.array([0.229, 0.224, 0.225])
# The mean of ImageNet's channels, red first, where a network was trained on 0 to 255.
_BYTE_MEAN = [123.68, 116.779, 103.939]

Network = Callable[..., keras.Model]


@dataclass(frozen=True)
class Architecture:
    """A backbone, and what belongs around it.

    - ``network``: called as those of ``keras.applications`` are.
    - ``scale``, ``offset``: what its input is of an image in [0, 1], by channel or for all.
    - ``blue_first``: its published weights want the channels the other way round.
    - ``frozen``: the backbone does not learn.
    - ``exact_map``: it ends in global average pooling and one dense layer.
    """

    network: Network
    scale: float | Sequence[float] = 1.0
    offset: float | Sequence[float] = 0.0
    blue_first: bool = False
    frozen: bool = False
    exact_map: bool = True


def cnn_original(
    input_shape: tuple[int, int, int], *, weights: None = None, **_options
) -> keras.Model:
    """The convolutions of the original project: 8, 32 and 10 filters, L2 0.01, dropout after each.

    What its description leaves open is chosen so: kernels of 3 x 3 that keep the size, ReLU,
    a maximum over 2 x 2 before each dropout (0.4, 0.4, 0.2), L2 on the kernels of the
    convolutions, then all places side by side into one dense layer with softmax (no pooling
    over places, hence no exact class activation map), Keras's initial weights (Glorot), no
    batch normalisation, the images in [0, 1] as they are. Adam at 0.01 is in
    ``configs/cnn_original.yaml``.
    """
    if weights is not None:
        raise ConfigInvalidError(reason="there are no published weights of cnn_original")
    layers = [keras.Input(input_shape)]
    for filters, dropped in ((8, 0.4), (32, 0.4), (10, 0.2)):
        decay = keras.regularizers.L2(0.01)
        layers += [
            keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_regularizer=decay
            ),
            keras.layers.MaxPooling2D(),
            keras.layers.Dropout(dropped),
        ]
    sequence = keras.Sequential(layers)
    return keras.Model(sequence.inputs[0], sequence.outputs[0])


def _efficientnetv2b0(input_shape: tuple[int, int, int], **options) -> keras.Model:
    # Its own preprocessing layers would stand inside the backbone; ours stand before it.
    return keras.applications.EfficientNetV2B0(
        input_shape=input_shape, include_preprocessing=False, **options
    )


def _imagenet_units(network: Network) -> Architecture:
    scale, offset = 1 / _DEVIATION, -_MEAN / _DEVIATION
    return Architecture(network, scale.tolist(), offset.tolist())


def _imagenet_bytes(network: Network) -> Architecture:
    offset = [-value for value in _BYTE_MEAN]
    return Architecture(network, 255.0, offset, blue_first=True)


_applications = keras.applications
ARCHITECTURES = {
    "cnn_original": Architecture(cnn_original, exact_map=False),
    # MobileNetV2 at width 1.0 (Sandler et al., CVPR 2018).
    "mobilenetv2_frozen": Architecture(_applications.MobileNetV2, 2.0, -1.0, frozen=True),
    "mobilenetv2": Architecture(_applications.MobileNetV2, 2.0, -1.0),
    # He et al., CVPR 2016.
    "resnet50": _imagenet_bytes(_applications.ResNet50),
    # Szegedy et al., CVPR 2016; of 75 pixels or more.
    "inceptionv3": Architecture(_applications.InceptionV3, 2.0, -1.0),
    # Simonyan and Zisserman, ICLR 2015.
    "vgg16": _imagenet_bytes(_applications.VGG16),
    # Huang et al., CVPR 2017.
    "densenet121": _imagenet_units(_applications.DenseNet121),
    # Tan and Le, ICML 2021.
    "efficientnetv2b0": _imagenet_units(_efficientnetv2b0),
}


def build(
    architecture: str,
    *,
    weights: str | Path | None,
    trainable_from: str = "all",
    dropout: float = 0.0,
    input_size: int = INPUT_SIZE,
    fusion: Sequence[str] = (),
) -> keras.Model:
    """The network ``architecture``: float (n, size, size, 3) in [0, 1] -> probabilities (n, 3).

    - ``weights``: of the backbone: ``"imagenet"``, a ``.weights.h5`` file that the network of
      ``keras.applications`` saved without its top, with or without its pooling, or ``None``.
    - The layers of the backbone before ``trainable_from`` are frozen. With ``weights``, batch
      normalisation keeps its statistics throughout (small batches of few patients would
      spoil them), and the backbone runs as it does when it is used.
    - ``dropout``: before the dense layer; ``cnn_original`` has its own and no other.
    - ``fusion``: which of ``age``, ``sex``, ``view`` join the pooled features. The network
      then takes a dict of ``image`` and ``facts``, which
      :func:`~ml_training.fusion.fused_facts` makes.

    Raises :class:`ConfigInvalidError` for a name, size, layer or weights file that will not do.
    """
    if architecture not in ARCHITECTURES:
        raise ConfigInvalidError(reason=f"unknown architecture {architecture}")
    if len(set(fusion)) != len(fusion) or set(fusion) - set(FUSIBLE):
        raise ConfigInvalidError(reason=f"fusion is of {', '.join(FUSIBLE)}, each once")
    kind = ARCHITECTURES[architecture]
    shape = (input_size, input_size, 3)
    backbone = _backbone(kind, weights, shape)
    normalised = _freeze(kind, backbone, trainable_from, keep_statistics=weights is not None)
    image = keras.Input(shape, name=IMAGE)
    scaled = keras.layers.Rescaling(kind.scale, kind.offset)(image)
    as_used = weights is not None and normalised
    features = backbone(scaled, training=False) if as_used else backbone(scaled)
    if kind.exact_map:
        found = keras.layers.GlobalAveragePooling2D(name=POOLING)(features)
        found = keras.layers.Dropout(dropout)(found)
    else:
        found = keras.layers.Flatten()(features)
    inputs = image
    if fusion:
        inputs = {IMAGE: image, FACTS: keras.Input((fused_size(tuple(fusion)),), name=FACTS)}
        found = keras.layers.Concatenate()([found, inputs[FACTS]])
    dense = keras.layers.Dense(len(LABELS), activation="softmax", name=CLASSIFIER)
    return keras.Model(inputs, dense(found), name=architecture)


def _backbone(
    kind: Architecture, weights: str | Path | None, shape: tuple[int, int, int]
) -> keras.Model:
    published = weights if weights == IMAGENET else None
    try:
        backbone = kind.network(input_shape=shape, include_top=False, weights=published)
    except ValueError as error:
        # Of the networks of Keras each has its smallest size.
        raise ConfigInvalidError(reason=f"input_size: {error}") from error
    backbone.name = BACKBONE
    if weights is None:
        return backbone
    if weights != IMAGENET:
        backbone.set_weights(_read_weights(kind, Path(weights), shape))
    if kind.blue_first:
        # Turning the first kernels round once does what turning every image would.
        first = next(layer for layer in backbone.layers if layer.weights)
        kernel, *rest = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *rest])
    return backbone


def _read_weights(kind: Architecture, path: Path, shape: tuple[int, int, int]) -> list[np.ndarray]:
    if not path.is_file():
        raise ConfigInvalidError(reason=f"no weights at {path}")
    for pooling in (None, "avg"):
        backbone = kind.network(input_shape=shape, include_top=False, weights=None, pooling=pooling)
        try:
            backbone.load_weights(path)
        except (OSError, ValueError, KeyError):
            continue
        return backbone.get_weights()
    raise ConfigInvalidError(reason=f"{path.name} is not of this architecture")


def _freeze(
    kind: Architecture, backbone: keras.Model, trainable_from: str, *, keep_statistics: bool
) -> bool:
    """Say which layers learn; whether ``backbone`` has batch normalisation."""
    names = [layer.name for layer in backbone.layers]
    if kind.frozen and trainable_from != "all":
        raise ConfigInvalidError(reason="of a frozen network no layer can be trainable_from")
    if trainable_from != "all" and trainable_from not in names:
        raise ConfigInvalidError(reason=f"no layer {trainable_from}")
    first = 0 if trainable_from == "all" else names.index(trainable_from)
    normalised = False
    for place, layer in enumerate(backbone.layers):
        statistics = isinstance(layer, keras.layers.BatchNormalization)
        normalised |= statistics
        fixed = kind.frozen or place < first or (statistics and keep_statistics)
        layer.trainable = not fixed
    return normalised


def check_servable(model: keras.Model) -> None:
    """Raise :class:`ModelNotServableError` unless ``model`` reads nothing but one image and its
    class activation map is exact."""
    if len(model.inputs) > 1:
        raise ModelNotServableError(reason=f"{model.name} reads more than an image")
    if POOLING not in [layer.name for layer in model.layers]:
        raise ModelNotServableError(reason=f"the maps of {model.name} would not be exact")


def with_features(model: keras.Model) -> keras.Model:
    """``model`` with two outputs: ``probabilities`` (n, 3) and ``features`` (n, h, w, channels).

    ``features`` is the last feature map, the input of the global average pooling. Raises
    :class:`ModelNotServableError` (see :func:`check_servable`).
    """
    check_servable(model)
    outputs = {"probabilities": model.output, "features": model.get_layer(POOLING).input}
    return keras.Model(model.input, outputs, name=model.name)
