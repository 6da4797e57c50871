"""The configuration of one training run, read from a YAML file."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from pathlib import Path

import yaml
from django.conf import settings

from inference.model_input import INPUT_SIZE
from inference.registry import NAME_RULE, is_plain

from .errors import ConfigInvalidError
from .fusion import FUSIBLE

OPTIMIZERS = ("adamw", "adam")
# From and to of the numbers; what is no number (NaN) lies in no range.
_RANGES = {
    "input_size": (32, 4096),
    "distillation_weight": (0, 1),
    "head_epochs": (0, 100_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 100_000),
    "learning_rate": (1e-9, 1),
    "warmup_epochs": (0, 100_000),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.99),
    "dropout": (0, 0.99),
    "mixup": (0, 1),
    "ema": (0, 0.99999),
    "patience": (1, 100_000),
    "frozen_cache": (0, 1000),
    "masked_share": (0, 0.99),
    "masked_cache": (1, 1000),
    "box_weight": (0, 1000),
    "seed": (0, 2**32 - 1),
}
_KINDS = {"str": str, "int": int, "float": (int, float), "bool": bool, "tuple[str, ...]": list}


def data_folder() -> Path:
    """The folder that relative paths of a configuration start from: ``PNEUMONIAPP_DATA``."""
    default = settings.BASE_DIR.parent / "shared" / "data"
    return Path(os.environ.get("PNEUMONIAPP_DATA", default))


def run_folder(name: str) -> Path:
    """A run folder that a configuration names, relative to the program's folder."""
    return Path(settings.BASE_DIR) / name


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool) != (kind == "bool"):
        return False
    texts = not isinstance(value, list) or all(isinstance(item, str) for item in value)
    return isinstance(value, _KINDS[kind]) and texts


def _meant(value: object, kind: str) -> str:
    """What a value must be; YAML reads 5e-4 as text, which nobody sees."""
    if kind == "float" and isinstance(value, str) and re.fullmatch(r"\d+e-?\d+", value, re.I):
        return f"float: to YAML {value} is text, write {Decimal(value):f}"
    return kind


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run makes; two runs of one config make the same weights.

    - ``index``, ``weights``: paths, relative to the data folder. ``weights`` may also be
      ``imagenet`` (downloaded by Keras) or ``none``.
    - ``data_name``, ``data_terms``: what the model card says of the data; default: as the dataset
      folder does.
    - ``input_size``: rows and columns of what the network sees.
    - ``initial_run``: a run folder (relative to this program's) whose best weights are the start.
    - ``trainable_from``: the first layer of the backbone that learns; ``all`` for all.
    - ``fusion``: of age, sex and view, what the network is told beside the image.
    - ``augment``, ``balance``: whether images are varied, and classes and origins drawn alike.
    - ``optimizer``: ``adamw``, with the schedule and averages below, or ``adam``, plain and at one
      rate throughout, as the original project's.
    - ``teachers``: run folders whose mean probabilities of the training cases take the place of
      the labels by ``distillation_weight``; with ``teacher_flips`` the mirrored images count too.
    - ``head_epochs``: as many of the first epochs teach what follows the backbone alone.
    - ``learning_rate``: the peak, after ``warmup_epochs``; then a cosine to nearly nothing.
    - ``ema``: momentum of the moving average of the weights, which is what is kept.
    - ``frozen_cache``: variants of each image for which the output of the layers before
      ``trainable_from`` is kept, so that only the others run each epoch; 0: none is kept.
    - With a cache only: ``masked_index``, lung-masked and inverted radiographs of training
      patients that take part as ``masked_share`` of each batch (``masked_cache`` variants each);
      ``boxes``, where radiologists saw an opacity, as a second target of weight ``box_weight``.
    - ``patience``: epochs without a better validation macro AUROC before the run stops.
    """

    name: str
    version: str
    architecture: str
    index: str
    data_name: str = ""
    data_terms: str = ""
    weights: str = "none"
    initial_run: str = ""
    trainable_from: str = "all"
    input_size: int = INPUT_SIZE
    fusion: tuple[str, ...] = ()
    augment: bool = True
    balance: bool = True
    optimizer: str = "adamw"
    teachers: tuple[str, ...] = ()
    distillation_weight: float = 0.5
    teacher_flips: bool = False
    head_epochs: int = 0
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-4
    warmup_epochs: int = 2
    weight_decay: float = 2e-2
    label_smoothing: float = 0.1
    dropout: float = 0.4
    mixup: float = 0.3
    ema: float = 0.995
    patience: int = 8
    frozen_cache: int = 0
    masked_index: str = ""
    masked_share: float = 0.5
    masked_cache: int = 2
    boxes: str = ""
    box_weight: float = 0.5
    seed: int = 42

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read ``path``, a configuration or the ``facts.json`` of a model made from one.

        Raises :class:`ConfigInvalidError` for unknown, missing or odd values.
        """
        try:
            values = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigInvalidError(reason=f"{path.name} cannot be read") from error
        if not isinstance(values, dict):
            raise ConfigInvalidError(reason="it is no mapping")
        if isinstance(done := values.get("training"), dict):
            values = done.get("config", {})  # The facts of a model: train it again.
        return cls.of(values)

    @classmethod
    def of(cls, values: dict) -> Config:
        """The configuration with ``values``; raises :class:`ConfigInvalidError`."""
        values, known = dict(values), {field.name: field for field in fields(cls)}
        if unknown := set(values) - set(known):
            raise ConfigInvalidError(reason=f"unknown: {', '.join(sorted(map(str, unknown)))}")
        for name, value in values.items():
            if not _is(value, known[name].type):
                raise ConfigInvalidError(reason=f"{name} must be {_meant(value, known[name].type)}")
            if isinstance(value, list):
                values[name] = tuple(value)
        try:
            config = cls(**values)
        except TypeError as error:
            raise ConfigInvalidError(reason=str(error).split("__init__() ")[-1]) from error
        config.check()
        return config

    def check(self) -> None:
        """Raise :class:`ConfigInvalidError` where values do not go together."""
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigInvalidError(reason=f"{name} must be from {low} to {high}")
        wrong = {
            f"name and version must be plain: {NAME_RULE}": not is_plain(self.name, self.version),
            f"no fusion of {', '.join(self.fusion)}": not set(self.fusion) <= set(FUSIBLE),
            "optimizer is adam or adamw": self.optimizer not in OPTIMIZERS,
            "masked_index and boxes need a frozen_cache": not self.frozen_cache
            and bool(self.masked_index or self.boxes),
            "a frozen_cache needs a layer as trainable_from": bool(self.frozen_cache)
            and self.trainable_from == "all",
            "a frozen_cache goes with neither fusion nor teachers": bool(self.frozen_cache)
            and bool(self.fusion or self.teachers),
            "head_epochs must leave an epoch to all that learns": self.head_epochs >= self.epochs,
            "teacher_flips needs teachers": self.teacher_flips and not self.teachers,
        }
        for reason, holds in wrong.items():
            if holds:
                raise ConfigInvalidError(reason=reason)

    @property
    def index_path(self) -> Path:
        return data_folder() / self.index

    @property
    def weights_source(self) -> str | Path | None:
        """``None``, ``"imagenet"`` or a path."""
        if self.weights == "none":
            return None
        return self.weights if self.weights == "imagenet" else data_folder() / self.weights

    def as_dict(self) -> dict:
        return asdict(self)
