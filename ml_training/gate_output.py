"""The output of a network by which its gate tells what it knows (see ``inference.gate``).

Training pulls the last feature map together until little but the three classes is left in
it (Papyan, Han and Donoho, *Prevalence of Neural Collapse*, PNAS 2020): in mobilenetv2:1,
1,253 of 1,280 channels of the last map are silent, and neither distances nor energy in what
is left tell a photograph from a chest. A layer in the middle still knows (Lee et al.,
NeurIPS 2018, use all of them).
"""

from __future__ import annotations

import keras

GATE = "gate"
# What ends a block of a residual or dense network.
_JOINTS = (keras.layers.Add, keras.layers.Concatenate)


def gate_layer(backbone: keras.Model) -> keras.layers.Layer | None:
    """The end of the last block before ``backbone`` halves its map for the last time.

    In MobileNetV2 at 256 pixels ``block_12_add``, 16 x 16 places of 96 channels. In networks
    without joints the last layer of that size; ``None`` when there is none.
    """
    final = backbone.output.shape[1]
    larger = [
        layer
        for layer in backbone.layers
        if len(getattr(layer.output, "shape", ())) == 4
        and layer.output.shape[1] > final
        and not isinstance(layer, keras.layers.InputLayer | keras.layers.Rescaling)
    ]
    joints = [layer for layer in larger if isinstance(layer, _JOINTS)]
    return next(iter((joints or larger)[::-1]), None)


def with_gate_output(served: keras.Model, backbone_name: str) -> keras.Model:
    """``served``, whose outputs are named, with one more: ``gate`` (n, 1, channels).

    It is the mean of the gate's layer over all places. For the export alone: converting
    merges what the backbone and this output both compute, so that serving pays for the mean
    and no more, but a Keras file cannot hold the shared layers. Where the network has no
    such layer it comes back as it was, and the gate takes the last feature map.
    """
    if backbone_name not in [layer.name for layer in served.layers]:
        return served
    backbone = served.get_layer(backbone_name)
    layer = gate_layer(backbone)
    if layer is None:
        return served
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(layer.output)
    middle = keras.Model(backbone.input, pooled, name=GATE)
    # Three dimensions, so that the outputs are told apart by how many they have.
    vector = keras.layers.Reshape((1, -1), name=f"{GATE}_vector")
    (image,) = backbone._inbound_nodes[-1].input_tensors
    outputs = served.output | {GATE: vector(middle(image))}
    return keras.Model(served.input, outputs, name=served.name)
