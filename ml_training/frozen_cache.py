"""Training the upper layers alone, on what the frozen lower ones made of a set of variants.

Where the lower layers of a network stay as they are, they need to see each variant of an
image once, not once an epoch: their output is kept, as float16, for ``frozen_cache`` random
variants of each image, and an epoch draws among them. On two processors that makes a run
several times shorter, which is what lets the lung-masked radiographs take part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import keras
import numpy as np

from inference.models import LABELS

from .architectures import BACKBONE, CLASSIFIER, POOLING
from .augmentation import augment
from .boxes import box_mask
from .errors import ConfigInvalidError

BOXES = "boxes"
_BATCH = 128


def split_network(model: keras.Model, first: str) -> tuple[keras.Model, keras.Model]:
    """``model`` of :func:`~ml_training.architectures.build` in two at the layer ``first``.

    The lower part takes images, the upper one what the lower gives, and both share their
    weights with ``model``. The upper one has a second output, ``boxes``: float logits
    (n, h, w, 1) of an opacity at each place of the last feature map, for training alone.
    Raises :class:`ConfigInvalidError` when ``first`` does not follow one single layer.
    """
    backbone = model.get_layer(BACKBONE)
    below = backbone.get_layer(first).input
    if not hasattr(below, "shape"):
        raise ConfigInvalidError(reason=f"{first} follows more than one layer")
    image = keras.Input(model.input.shape[1:])
    scaled = image
    for layer in model.layers:
        if layer.name == BACKBONE:
            break
        if not isinstance(layer, keras.layers.InputLayer):
            scaled = layer(scaled)
    lower = keras.Model(image, keras.Model(backbone.input, below)(scaled, training=False))
    entry = keras.Input(below.shape[1:])
    features = keras.Model(below, backbone.output)(entry, training=False)
    outputs = features
    layers = [layer.name for layer in model.layers]
    for name in layers[layers.index(BACKBONE) + 1 :]:
        if name == POOLING:
            features = outputs
        outputs = model.get_layer(name)(outputs)
    places = keras.layers.SpatialDropout2D(0.2)(features)
    boxes = keras.layers.Conv2D(1, 1, name=BOXES)(places)
    return lower, keras.Model(entry, {CLASSIFIER: outputs, BOXES: boxes})


@dataclass(frozen=True)
class Cache:
    """``count`` variants of n images, one set of n after another.

    - ``features``: float16 (count * n, ...), the lower part's output.
    - ``boxes``: float32 (count * n, h, w), the share of each place that lies in a box.
    - ``truth``: int (n,); ``chances``: float (n,), how often each is drawn, summing to 1.
    """

    features: np.ndarray
    boxes: np.ndarray
    truth: np.ndarray
    chances: np.ndarray
    count: int

    def draw(self, number: int, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        """``number`` random variants: features float32, truth int, boxes float32."""
        cases = random.choice(len(self.truth), number, p=self.chances)
        places = random.integers(self.count, size=number) * len(self.truth) + cases
        return self.features[places].astype(np.float32), self.truth[cases], self.boxes[places]


def fill_cache(
    lower: keras.Model,
    images: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray | None],
    truth: np.ndarray,
    chances: np.ndarray,
    *,
    count: int,
    seed: int,
    grid: tuple[int, int],
) -> Cache:
    """The cache of ``images``, uint8 (H, W) each, with their ``boxes`` (see ``ml_training.boxes``).

    The same seed gives the same variants. ``grid`` is the size of the last feature map.
    """
    cv2.setNumThreads(1)
    size = lower.input.shape[1]
    total = count * len(images)
    features = np.empty((total, *lower.output.shape[1:]), np.float16)
    marks = np.empty((total, *grid), np.float32)

    def variant(place: int) -> tuple[np.ndarray, np.ndarray]:
        turn, case = divmod(place, len(images))
        random = np.random.default_rng((seed, case, turn))
        image, mask = augment(images[case], random, size=size, mask=box_mask(boxes[case]))
        return image, cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA)

    # Into a file, one line at the end: a bar that draws itself anew would fill it.
    shown = 1 if sys.stdout.isatty() else 2
    progress = keras.utils.Progbar(total, unit_name="variant", verbose=shown)
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, total, _BATCH):
            made = list(threads.map(variant, range(start, min(start + _BATCH, total))))
            batch = np.stack([image for image, _mask in made])
            there = slice(start, start + len(made))
            features[there] = lower.predict_on_batch(np.repeat(batch[..., None], 3, axis=3))
            marks[there] = [mask for _image, mask in made]
            progress.update(start + len(made))
    return Cache(features, marks, truth, chances, count)


class CachedBatches:
    """Batches from a cache and, for ``share`` of each, from another one (lung-masked images).

    The same seed and ``epoch`` give the same batches. The last ``plain_epochs`` of ``epochs``
    leave the other cache out: they end on radiographs as they are served. Cases are mixed with
    others of their own cache (Verma et al., *Manifold Mixup*, ICML 2019: in the middle of the
    network).
    """

    def __init__(self, whole: Cache, other: Cache | None, config, *, plain_epochs: int) -> None:
        self.whole, self.other, self.config = whole, other, config
        self.plain_from = config.epochs - plain_epochs
        self.epoch = 0

    def __len__(self) -> int:
        share = self.config.masked_share if self.other else 0
        return max(1, int(len(self.whole.truth) / (1 - share)) // self.config.batch_size)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        random = np.random.default_rng((self.config.seed, self.epoch, batch))
        parts = [self._mixed(cache, number, random) for cache, number in self._numbers() if number]
        features, targets, boxes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return features, {CLASSIFIER: targets, BOXES: boxes[..., np.newaxis]}

    def _numbers(self) -> Iterator[tuple[Cache, int]]:
        size, others = self.config.batch_size, 0
        if self.other and self.epoch < self.plain_from:
            others = round(size * self.config.masked_share)
        yield self.whole, size - others
        if self.other:
            yield self.other, others

    def _mixed(self, cache: Cache, number: int, random) -> tuple[np.ndarray, ...]:
        features, truth, boxes = cache.draw(number, random)
        targets = np.eye(len(LABELS), dtype=np.float32)[truth]
        if self.config.mixup:
            share = np.float32(random.beta(self.config.mixup, self.config.mixup))
            partner = random.permutation(number)
            features, targets, boxes = (
                share * values + (1 - share) * values[partner]
                for values in (features, targets, boxes)
            )
        return features, targets, boxes
