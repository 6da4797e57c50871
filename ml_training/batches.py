"""What a network is fed: augmented, balanced, mixed batches that depend on seed and epoch alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import keras
import numpy as np

from inference.models import LABELS

from .architectures import FACTS, IMAGE
from .augmentation import augment
from .config import Config
from .datasets import Split
from .fusion import blank, fused_facts

THREADS = 2


class Batches:
    """The batches of the epoch ``epoch``; the same epoch and seed give the same ones.

    Mixing: Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018. ``soft``,
    float (n, 3), takes the place of the labels by ``config.distillation_weight``.
    """

    def __init__(self, split: Split, config: Config, soft: np.ndarray | None = None) -> None:
        cv2.setNumThreads(1)
        self.split, self.config, self.epoch = split, config, 0
        self.weights = split.sampling_weights() if config.balance else None
        self.targets = np.eye(len(LABELS), dtype=np.float32)[split.truth]
        if soft is not None:
            share = np.float32(config.distillation_weight)
            self.targets = (1 - share) * self.targets + share * soft.astype(np.float32)
        self.facts = fused_facts(split, config.fusion) if config.fusion else None
        self.threads = ThreadPoolExecutor(THREADS)
        self._drawn: tuple[int, np.ndarray] | None = None

    @property
    def order(self) -> np.ndarray:
        """The cases of this epoch: a balanced draw, or each once in random order."""
        epoch, drawn = self.epoch, self._drawn
        if drawn is None or drawn[0] != epoch:
            random = np.random.default_rng((self.config.seed, epoch))
            size = len(self.split.truth)
            order = (
                random.permutation(size)
                if self.weights is None
                else random.choice(size, size, p=self.weights)
            )
            self._drawn = drawn = epoch, order
        return drawn[1]

    def __len__(self) -> int:
        return max(1, len(self.split.truth) // self.config.batch_size)

    def __getitem__(self, batch: int) -> tuple:
        config = self.config
        cases = self.order[batch * config.batch_size : (batch + 1) * config.batch_size]
        seed = (config.seed, self.epoch, batch)
        jobs = ((self.split.images[case], (*seed, i)) for i, case in enumerate(cases))
        images = np.stack(list(self.threads.map(self._variant, jobs)))
        targets = self.targets[cases]
        random = np.random.default_rng(seed)
        facts = None if self.facts is None else blank(self.facts[cases], config.fusion, random)
        if config.mixup:
            share = np.float32(random.beta(config.mixup, config.mixup))
            other = random.permutation(len(cases))
            images = share * images + (1 - share) * images[other]
            targets = share * targets + (1 - share) * targets[other]
            if facts is not None:
                facts = share * facts + (1 - share) * facts[other]
        images = np.repeat(images[..., np.newaxis], 3, axis=3)
        return (images if facts is None else {IMAGE: images, FACTS: facts}), targets

    def _variant(self, job: tuple[np.ndarray, tuple]) -> np.ndarray:
        image, seed = job
        if not self.config.augment:
            from inference.model_input import model_input

            return model_input(image, self.config.input_size)[..., 0]
        return augment(image, np.random.default_rng(seed), size=self.config.input_size)


class _Feed(keras.utils.PyDataset):
    """``batches`` for a backend that is not TensorFlow."""

    def __init__(self, batches) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, batch: int) -> tuple:
        return self.batches[batch]


def as_feed(batches):
    """``batches`` as what ``fit`` takes: a ``tf.data.Dataset``, or Keras's own on other backends.

    Each epoch iterates anew and gets the batches of ``batches.epoch`` at that moment.
    """
    if keras.backend.backend() != "tensorflow":
        return _Feed(batches)
    import tensorflow as tf

    def made():
        return (batches[batch] for batch in range(len(batches)))

    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype)), batches[0]
    )
    options = tf.data.Options()
    # One machine, one source: each batch is cut up among the devices, whole batches are not.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    data = tf.data.Dataset.from_generator(made, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return data.prefetch(2).with_options(options)
