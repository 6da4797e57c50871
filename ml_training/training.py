"""One training run: from a configuration to a run folder with an exported model.

A run folder holds ``config.json``, ``history.csv``, ``best.weights.h5`` (the moving average
of the weights at the best validation macro AUROC so far), ``checkpoint.npz`` (what the next
epoch depends on), ``tensorboard/`` and, at the end, ``predictions.npz``, ``run.json`` (revision,
data fingerprint, library versions, seconds, figures) and ``model/``: the folder that the
registry takes. The same command takes up a run that was stopped, and ends with the weights
that it would have had.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .architectures import BACKBONE, CLASSIFIER, build
from .batches import Batches, as_feed
from .boxes import read_boxes
from .callbacks import BEST, Averaged, Checkpoint, Epochs, KeepBest, TensorBoardLog, state_of
from .config import Config, data_folder, run_folder
from .datasets import Dataset, Split, check_classes, read_dataset
from .errors import ConfigInvalidError
from .finishing import finish, finish_held
from .frozen_cache import BOXES, Cache, CachedBatches, fill_cache, split_network
from .learned import Learned, check_unseen, of_runs, of_split, write_learned
from .masked import lungs_as_seen
from .predictions import network_inputs, predict
from .runs import check_claim, claim, held
from .teachers import soft_targets

__all__ = ["finish", "train"]
_CHUNK = 256


@dataclass(frozen=True)
class Course:
    """What a run fits: ``learner`` on ``batches``; ``judge`` says what it makes of validation.

    ``network`` is the whole network, whose weights those of ``learner`` are.
    """

    network: keras.Model
    learner: keras.Model
    batches: Batches | CachedBatches
    judge: Callable[[], np.ndarray]


def network_of(config: Config) -> keras.Model:
    """The network that ``config`` begins with."""
    network = build(
        config.architecture,
        weights=config.weights_source,
        trainable_from=config.trainable_from,
        dropout=config.dropout,
        input_size=config.input_size,
        fusion=config.fusion,
    )
    if config.initial_run:
        path = run_folder(config.initial_run) / BEST
        try:
            network.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigInvalidError(reason=f"{path} holds no weights of this network") from error
    return network


def _course(config: Config, dataset: Dataset, masked: Split | None, network: keras.Model) -> Course:
    validation = dataset.splits["val"]
    if not config.frozen_cache:
        train = dataset.splits["train"]
        teachers = [run_folder(name) for name in config.teachers]
        soft = soft_targets(teachers, train, flips=config.teacher_flips) if teachers else None
        parts = [slice(start, start + _CHUNK) for start in range(0, len(validation.truth), _CHUNK)]

        def judge() -> np.ndarray:
            inputs = (
                network_inputs(validation, config.input_size, config.fusion, part) for part in parts
            )
            return np.concatenate([predict(network, part) for part in inputs])

        return Course(network, network, Batches(train, config, soft), judge)
    lower, upper = split_network(network, config.trainable_from)
    boxes = read_boxes(data_folder() / config.boxes) if config.boxes else {}
    grid = tuple(upper.output[BOXES].shape[1:3])

    def cache(split: Split, images, count: int, seed: int) -> Cache:
        return fill_cache(
            lower,
            images,
            [boxes.get(name) for name in split.ids],
            split.truth,
            split.sampling_weights(),
            count=count,
            seed=seed,
            grid=grid,
        )

    whole = dataset.splits["train"]
    caches = [cache(whole, whole.images, config.frozen_cache, config.seed), None]
    if masked:
        shown = [lungs_as_seen(image) for image in masked.images]
        caches[1] = cache(masked, shown, config.masked_cache, config.seed + 1)
    batches = CachedBatches(*caches, config, plain_epochs=max(1, config.epochs // 6))
    inputs = network_inputs(validation, config.input_size)
    halfway = lower.predict(inputs, batch_size=64, verbose=0)
    return Course(network, upper, batches, lambda: predict(upper, halfway))


def _masked_split(config: Config) -> Split | None:
    """The lung-masked radiographs, if ``config`` names any."""
    if not config.masked_index:
        return None
    return read_dataset(data_folder() / config.masked_index, split="train").splits["train"]


def _learned(config: Config, dataset: Dataset, masked: Split | None) -> Learned:
    """Whom a run of ``config`` learns from; raises ``SplitLeakError`` when it is judged by one."""
    learned = of_split(dataset.splits["train"]) | of_runs(config)
    if masked:
        learned |= of_split(masked)
    check_unseen(dataset, learned)
    return learned


def optimizer_of(
    config: Config, steps: int, epochs: int, *, warmup_epochs: int = 0
) -> keras.optimizers.Optimizer:
    """The optimizer for ``epochs`` of ``steps`` batches: with a schedule and averages, or plain."""
    if config.optimizer == "adam":
        return keras.optimizers.Adam(config.learning_rate)
    warmup = warmup_epochs * steps
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate * 0.05,
        max(1, epochs * steps - warmup),
        alpha=0.02,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=config.ema,
    )


def _compile(config: Config, course: Course, epochs: int, *, warmup_epochs: int = 0) -> None:
    optimizer = optimizer_of(config, len(course.batches), epochs, warmup_epochs=warmup_epochs)
    losses = {
        CLASSIFIER: keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        BOXES: keras.losses.BinaryCrossentropy(from_logits=True),
    }
    learner = course.learner
    if isinstance(learner.output, dict):
        weights = {CLASSIFIER: 1.0, BOXES: config.box_weight if config.boxes else 0.0}
        measures = {CLASSIFIER: [keras.metrics.CategoricalAccuracy(name="accuracy")]}
        learner.compile(optimizer, loss=losses, loss_weights=weights, metrics=measures)
    else:
        measures = [keras.metrics.CategoricalAccuracy(name="accuracy")]
        learner.compile(optimizer, loss=losses[CLASSIFIER], metrics=measures)
    optimizer.build(learner.trainable_variables)


def _scope(devices: tuple[str, ...]):
    """Where variables are made: on all ``devices`` (default: all graphics processors) alike."""
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow as tf

    graphics = tf.config.list_logical_devices("GPU")
    if graphics:
        # There, unlike here, the order of sums is left to chance unless asked.
        tf.config.experimental.enable_op_determinism()
    known = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    if unknown := [name for name in devices if name not in known]:
        # TensorFlow would wait for them for ever.
        reason = f"no devices {', '.join(unknown)} (here are {', '.join(known)})"
        raise ConfigInvalidError(reason=reason)
    names = list(devices) or [device.name for device in graphics]
    return tf.distribute.MirroredStrategy(names).scope() if len(names) > 1 else nullcontext()


def _logs(folder: Path) -> list[keras.callbacks.Callback]:
    """TensorBoard's, where TensorFlow, which writes them, is there."""
    if keras.backend.backend() != "tensorflow":
        return []
    return [TensorBoardLog(folder / "tensorboard")]


def train(config: Config, folder: Path, *, devices: tuple[str, ...] = ()) -> Path:
    """Train ``config`` into the run folder and export the best weights; the model folder.

    ``devices``, such as ("GPU:0", "GPU:1"), share each batch. A run that was stopped goes on;
    one that is done is only finished. What can be known to be wrong is found before the folder
    is the configuration's. Raises :class:`ConfigInvalidError` when the folder holds another
    configuration's run, or one on other data, and ``RunBusyError``, ``DatasetInvalidError``
    and ``SplitLeakError``.
    """
    config.check()
    with held(folder):
        check_claim(folder, config)
        return _train(config, folder, devices)


def _train(config: Config, folder: Path, devices: tuple[str, ...]) -> Path:
    keras.utils.set_random_seed(config.seed)
    dataset = read_dataset(config.index_path)
    check_classes(dataset)
    masked = _masked_split(config)
    learned = _learned(config, dataset, masked)
    before = state_of(folder)
    if before and before["fingerprint"] != dataset.fingerprint:
        raise ConfigInvalidError(reason=f"{folder.name} holds a run on other data")
    with _scope(devices):
        network = network_of(config)
        keep = KeepBest(
            dataset.splits["val"].truth,
            network,
            folder,
            patience=config.patience,
            patient_from=config.head_epochs,
        )
        checkpoint = Checkpoint(folder, keep, dataset.fingerprint)
        if not before or not (before["stopped"] or before["epochs"] >= config.epochs):
            course = _course(config, dataset, masked, network)
            keep.judge = course.judge
            claim(folder, config)
            write_learned(folder, learned)
            _fit(config, folder, course, keep, checkpoint, before["epochs"] if before else 0)
    return finish_held(config, folder, dataset)


def _fit(
    config: Config,
    folder: Path,
    course: Course,
    keep: KeepBest,
    checkpoint: Checkpoint,
    done: int,
) -> None:
    """The epochs after the first ``done``."""
    first = config.head_epochs
    # A checkpoint belongs to the phase, and so to the optimizer, that its last epoch was of.
    restore = done > 0
    if first and done <= first:
        with head_alone(course.network):
            _compile(config, course, first)
            _epochs(config, folder, course, keep, checkpoint, done, first, restore=restore)
        done, restore = first, False
    _compile(config, course, config.epochs - first, warmup_epochs=config.warmup_epochs)
    _epochs(config, folder, course, keep, checkpoint, done, config.epochs, restore=restore)


@contextmanager
def head_alone(network: keras.Model) -> Iterator[None]:
    """Within, no layer of the backbone learns."""
    layers = network.get_layer(BACKBONE).layers
    learned = [layer.trainable for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, learned, strict=True):
            layer.trainable = trainable


def _epochs(
    config: Config,
    folder: Path,
    course: Course,
    keep: KeepBest,
    checkpoint: Checkpoint,
    done: int,
    until: int,
    *,
    restore: bool,
) -> None:
    """The epochs from ``done`` to ``until``, from the checkpoint on with ``restore``."""
    averaged = Averaged() if config.optimizer == "adamw" else None
    if restore:
        checkpoint.restore(course.learner, averaged)
    if done >= until:
        return
    # The averaged weights are in place while the others look at the model.
    around = [Epochs(course.batches), *([averaged] if averaged else []), keep, checkpoint]
    course.learner.fit(
        as_feed(course.batches),
        initial_epoch=done,
        epochs=until,
        callbacks=[*around, *_logs(folder)],
        verbose=1 if sys.stdout.isatty() else 0,
        shuffle=False,
    )
