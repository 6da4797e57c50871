"""What other networks say of the training cases, for one that learns from them.

Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from .architectures import IMAGE, build
from .callbacks import BEST
from .config import Config
from .datasets import Split
from .errors import ConfigInvalidError
from .predictions import PREDICTIONS, network_inputs, predict

_CHUNK = 256


def soft_targets(runs: Sequence[Path], split: Split, *, flips: bool = False) -> np.ndarray:
    """The mean of what the networks of ``runs`` say of the cases of ``split``, float32 (n, 3).

    They are in ``predictions.npz`` of each run; with ``flips`` each network is asked of the
    mirrored images too. Raises :class:`ConfigInvalidError` for a run without predictions of
    one of the cases, or without weights.
    """
    said = [_said(run, split) for run in runs]
    if flips:
        said += [_said_of_mirrored(run, split) for run in runs]
    return np.mean(said, axis=0, dtype=np.float32)


def _said(run: Path, split: Split) -> np.ndarray:
    try:
        with np.load(run / PREDICTIONS, allow_pickle=False) as stored:
            found = dict(
                zip(stored["train_ids"].tolist(), stored["train_probabilities"], strict=True)
            )
        return np.stack([found[name] for name in split.ids.tolist()])
    except (OSError, KeyError, ValueError) as error:
        raise ConfigInvalidError(reason=f"{run.name} has no predictions of this data") from error


def _said_of_mirrored(run: Path, split: Split) -> np.ndarray:
    try:
        config = Config.of(json.loads((run / "config.json").read_text()))
        network = trained_network(config, run)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigInvalidError(reason=f"{run.name} holds no network") from error
    said = []
    for start in range(0, len(split.truth), _CHUNK):
        inputs = network_inputs(
            split, config.input_size, config.fusion, slice(start, start + _CHUNK)
        )
        if isinstance(inputs, dict):
            mirrored = inputs | {IMAGE: inputs[IMAGE][:, :, ::-1]}
        else:
            mirrored = inputs[:, :, ::-1]
        said.append(predict(network, mirrored))
    return np.concatenate(said)


def trained_network(config: Config, run: Path) -> keras.Model:
    """The network of ``config`` with the best weights of ``run``.

    Raises :class:`ConfigInvalidError` when there are none that fit.
    """
    network = build(
        config.architecture,
        weights=None,
        dropout=config.dropout,
        input_size=config.input_size,
        fusion=config.fusion,
    )
    try:
        network.load_weights(run / BEST)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigInvalidError(reason=f"{run.name} holds no weights of this network") from error
    return network
