"""One training run: from a configuration to a run folder with an exported model.

A run folder holds ``config.json``, ``history.csv``, ``best.weights.h5`` (the moving average
of the weights at the best validation macro AUROC so far), ``run.json`` (revision, data
fingerprint, library versions, seconds) and, at the end, ``model/``: the folder that the
registry takes. A run that was stopped can be finished from its best weights.
"""

from __future__ import annotations

import csv
import json
import platform
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version as library_version
from pathlib import Path

import cv2
import keras
import numpy as np
from django.conf import settings

from inference.metrics import class_aurocs, evaluate, macro_auroc
from inference.model_input import model_input
from inference.models import LABELS

from .architectures import CLASSIFIER, build
from .augmentation import augment
from .boxes import read_boxes
from .calibration import apply_temperature
from .certainty import certainty_facts, other_body_parts
from .config import Config, data_folder
from .datasets import Dataset, Split, read_dataset
from .errors import SplitLeakError
from .export import export_weights, write_facts
from .frozen_cache import BOXES, Cache, CachedBatches, fill_cache, split_network
from .masked import lungs_as_seen

BEST = "best.weights.h5"
TERMS = (
    "Radiographs: NIH Chest X-ray dataset, National Institutes of Health Clinical Center; Wang et "
    "al., ChestX-ray8, CVPR 2017 (attribution asked for). Labels: RSNA Pneumonia Detection "
    "Challenge; Shih et al., Radiology: Artificial Intelligence 2019 (research and education)."
)
PARITY_IMAGES = 64


class Batches(keras.utils.PyDataset):
    """Augmented, balanced and mixed batches; the same epoch and seed give the same batches.

    Mixing: Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018.
    """

    def __init__(self, split: Split, config: Config) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        cv2.setNumThreads(1)
        self.split, self.config, self.epoch = split, config, 0
        self.weights = split.sampling_weights()
        self.threads = ThreadPoolExecutor(2)
        self._draw()

    def _draw(self) -> None:
        random = np.random.default_rng((self.config.seed, self.epoch))
        size = len(self.weights)
        self.order = random.choice(size, size, p=self.weights)

    def __len__(self) -> int:
        return max(1, len(self.order) // self.config.batch_size)

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._draw()

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.config.batch_size
        cases = self.order[batch * size : (batch + 1) * size]
        seed = (self.config.seed, self.epoch, batch)
        jobs = ((self.split.images[case], (*seed, i)) for i, case in enumerate(cases))
        variants = self.threads.map(
            lambda job: augment(job[0], np.random.default_rng(job[1])), jobs
        )
        images = np.stack(list(variants))
        targets = np.eye(len(LABELS), dtype=np.float32)[self.split.truth[cases]]
        if self.config.mixup:
            random = np.random.default_rng(seed)
            share = np.float32(random.beta(self.config.mixup, self.config.mixup))
            other = random.permutation(len(cases))
            images = share * images + (1 - share) * images[other]
            targets = share * targets + (1 - share) * targets[other]
        return np.repeat(images[..., np.newaxis], 3, axis=3), targets


class KeepBest(keras.callbacks.Callback):
    """Keep the weights with the best validation macro AUROC; stop when patience is used up."""

    def __init__(self, course: Course, truth: np.ndarray, folder: Path, config: Config) -> None:
        super().__init__()
        self.course, self.truth, self.folder, self.config = course, truth, folder, config
        self.best, self.best_epoch, self.rows = -1.0, -1, []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        probabilities = predict(self.model, self.course.validation)
        reached = macro_auroc(self.truth, probabilities)
        row = {
            "epoch": epoch + 1,
            "loss": float((logs or {}).get("loss", float("nan"))),
            "val_macro_auroc": reached,
            **{f"val_auroc_{k}": v for k, v in class_aurocs(self.truth, probabilities).items()},
            "val_accuracy": float((probabilities.argmax(axis=1) == self.truth).mean()),
        }
        self.rows.append(row)
        with (self.folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows(self.rows)
        print(" ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        if reached > self.best:
            self.best, self.best_epoch = reached, epoch
            self.course.network.save_weights(self.folder / BEST)
        elif epoch - self.best_epoch >= self.config.patience:
            self.model.stop_training = True


def network_inputs(split: Split) -> np.ndarray:
    """The images of a split as serving would see them, float32 (n, 256, 256, 3)."""
    return np.stack([model_input(image) for image in split.images])


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    found = model.predict(inputs, batch_size=64, verbose=0)
    return found[CLASSIFIER] if isinstance(found, dict) else found


@dataclass(frozen=True)
class Course:
    """What a run fits: ``learner`` on ``batches``; ``validation`` is what it reads to be judged.

    ``network`` is the whole network, whose weights those of ``learner`` are.
    """

    network: keras.Model
    learner: keras.Model
    batches: keras.utils.PyDataset
    validation: np.ndarray


def _course(config: Config, dataset: Dataset, network: keras.Model) -> Course:
    validation = network_inputs(dataset.splits["val"])
    if not config.frozen_cache:
        return Course(network, network, Batches(dataset.splits["train"], config), validation)
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
    if config.masked_index:
        masked = _masked_split(config, dataset)
        shown = [lungs_as_seen(image) for image in masked.images]
        caches[1] = cache(masked, shown, config.masked_cache, config.seed + 1)
    batches = CachedBatches(*caches, config, plain_epochs=max(1, config.epochs // 6))
    return Course(network, upper, batches, lower.predict(validation, batch_size=64, verbose=0))


def _masked_split(config: Config, dataset: Dataset) -> Split:
    """The lung-masked radiographs; raises ``SplitLeakError`` when one is of a patient whose
    radiographs the network is judged by."""
    masked = read_dataset(data_folder() / config.masked_index, split="train").splits["train"]
    judged = {p for name in ("val", "test") for p in dataset.splits[name].patients.tolist()}
    if leaking := judged & set(masked.patients.tolist()):
        raise SplitLeakError(patients=len(leaking))
    return masked


def train(config: Config, folder: Path) -> Path:
    """Train ``config`` into the run folder and export the best weights; the model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.as_dict(), indent=2))
    keras.utils.set_random_seed(config.seed)
    dataset = read_dataset(config.index_path)
    model = build(
        config.architecture,
        weights=config.weights_source,
        trainable_from=config.trainable_from,
        dropout=config.dropout,
    )
    course = _course(config, dataset, model)
    steps = len(course.batches)
    warmup = config.warmup_epochs * steps
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate * 0.05,
        max(1, config.epochs * steps - warmup),
        alpha=0.02,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=config.ema,
    )
    losses = {
        CLASSIFIER: keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        BOXES: keras.losses.BinaryCrossentropy(from_logits=True),
    }
    if isinstance(course.learner.output, dict):
        weights = {CLASSIFIER: 1.0, BOXES: config.box_weight if config.boxes else 0.0}
        course.learner.compile(optimizer, loss=losses, loss_weights=weights)
    else:
        course.learner.compile(optimizer, loss=losses[CLASSIFIER])
    keep = KeepBest(course, dataset.splits["val"].truth, folder, config)
    # The averaged weights are in place while KeepBest looks at the model.
    averaged = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    began = time.monotonic()
    course.learner.fit(
        course.batches, epochs=config.epochs, callbacks=[averaged, keep], verbose=2, shuffle=False
    )
    run = {"seconds": round(time.monotonic() - began), "epochs": len(keep.rows)}
    return finish(config, folder, dataset=dataset, run=run)


def finish(
    config: Config, folder: Path, *, dataset: Dataset | None = None, run: dict | None = None
) -> Path:
    """Calibrate, evaluate and export the best weights of a run; also of one that was stopped."""
    dataset = dataset or read_dataset(config.index_path)
    run = run or _what_was_done(folder)
    model = build(config.architecture, weights=None, dropout=config.dropout)
    model.load_weights(folder / BEST)
    inputs = {name: network_inputs(dataset.splits[name]) for name in ("val", "test")}
    raw = {name: predict(model, images) for name, images in inputs.items()}
    target = folder / "model"
    exported = export_weights(model, target, inputs["val"][:PARITY_IMAGES])
    others = other_body_parts(config.index_path)
    certainty = certainty_facts(raw, dataset, target, others=others)
    metrics = {
        name: evaluate(
            dataset.splits[name].truth,
            apply_temperature(raw[name], certainty["calibration"]["temperature"]),
            dataset.splits[name].patients,
        )
        for name in raw
    }
    facts = {
        "name": config.name,
        "version": config.version,
        "architecture": config.architecture,
        **exported,
        **certainty,
        "files": exported["files"] | certainty["files"],
        "metrics": metrics,
        "data": {
            "name": "RSNA Pneumonia Detection Challenge 2018 (a part)",
            "fingerprint": dataset.fingerprint,
            "counts": dataset.counts,
            "terms": TERMS,
        },
        "libraries": libraries(),
        "training": {"config": config.as_dict(), "revision": revision(), **run},
    }
    write_facts(target, facts)
    (folder / "run.json").write_text(json.dumps(facts, indent=2))
    return target


def _what_was_done(folder: Path) -> dict:
    """Seconds and epochs of a run that is finished again, or that was stopped."""
    if (folder / "run.json").is_file():
        done = json.loads((folder / "run.json").read_text())["training"]
        return {"seconds": done["seconds"], "epochs": done["epochs"]}
    with (folder / "history.csv").open(newline="") as file:
        return {"seconds": None, "epochs": len(list(csv.DictReader(file)))}


def libraries() -> dict[str, str]:
    names = ("tensorflow-cpu", "keras", "numpy", "opencv-python-headless", "ai-edge-litert")
    return {"python": platform.python_version()} | {n: library_version(n) for n in names}


def revision() -> str:
    """The last commit of the code that makes a model; "+" if it was changed since, or "unknown"."""
    paths = ("ml_training", "inference/model_input.py")
    try:
        commit = _git("log", "-1", "--format=%h", "--", *paths)
        changed = _git("status", "--porcelain", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+" if changed else commit


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(  # noqa: S603
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
