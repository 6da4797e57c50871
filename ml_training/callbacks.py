"""What happens around each epoch: its batches, its measure, its checkpoint."""

from __future__ import annotations

import csv
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from inference.metrics import class_aurocs, macro_auroc

from .errors import ConfigInvalidError
from .files import whole

BEST = "best.weights.h5"
CHECKPOINT = "checkpoint.npz"
_SMALLEST = 1e-12


class Epochs(keras.callbacks.Callback):
    """Tell the batches which epoch it is, so that they depend on nothing else that happened."""

    def __init__(self, batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.batches.epoch = epoch


class Averaged(keras.callbacks.SwapEMAWeights):
    """The averaged weights are in the network between two epochs, the learned ones within."""

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if keras.backend.backend() == "jax":
            # After the last epoch weights and averages are the same arrays there, and whoever
            # predicts with the weights gives their arrays away.
            for variable in self.model.optimizer.variables:
                variable.assign(keras.ops.convert_to_numpy(variable))

    def restored(self) -> None:
        """A checkpoint was restored: it is of the time between two epochs."""
        self._ema_weights_in_model = True


class KeepBest(keras.callbacks.Callback):
    """Keep the weights with the best validation macro AUROC; stop when patience is used up.

    ``judge``, set before it is used, gives the probabilities (n, 3) of the validation cases,
    whose classes are ``truth``; ``network`` is what is saved. ``patience`` begins with the
    epoch ``patient_from``, counted from 0. Writes ``history.csv`` and says
    a line an epoch.
    """

    judge: Callable[[], np.ndarray]

    def __init__(
        self,
        truth: np.ndarray,
        network: keras.Model,
        folder: Path,
        *,
        patience: int,
        patient_from: int = 0,
    ) -> None:
        super().__init__()
        self.truth, self.network = truth, network
        self.folder, self.patience, self.patient_from = folder, patience, patient_from
        self.best, self.best_epoch, self.rows, self.stopped = -1.0, -1, [], False

    @property
    def state(self) -> dict:
        names = ("best", "best_epoch", "rows", "stopped")
        return {name: getattr(self, name) for name in names}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = {} if logs is None else logs
        probabilities = self.judge()
        right = np.maximum(probabilities[np.arange(len(self.truth)), self.truth], _SMALLEST)
        measured = {
            "val_loss": float(-np.log(right).mean()),
            "val_accuracy": float((probabilities.argmax(axis=1) == self.truth).mean()),
            "val_macro_auroc": macro_auroc(self.truth, probabilities),
            **{f"val_auroc_{k}": v for k, v in class_aurocs(self.truth, probabilities).items()},
        }
        known = {name.replace("classifier_acc", "acc"): float(v) for name, v in logs.items()}
        seconds = round(time.monotonic() - self.began, 1)
        self.rows.append({"epoch": epoch + 1} | known | measured | {"seconds": seconds})
        logs |= measured  # for the progress bar and TensorBoard
        self._write()
        print(" ".join(f"{k} {v:.4g}" for k, v in self.rows[-1].items()), flush=True)
        reached = measured["val_macro_auroc"]
        if reached > self.best:
            self.best, self.best_epoch = reached, epoch
            with whole(self.folder / BEST) as path:
                save_weights(self.network, path)
        elif epoch - max(self.best_epoch, self.patient_from) >= self.patience:
            self.model.stop_training = self.stopped = True

    def _write(self) -> None:
        with whole(self.folder / "history.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[-1])
            writer.writeheader()
            writer.writerows(self.rows)


def save_weights(network: keras.Model, path: Path) -> None:
    """The weights of ``network`` in ``path``, as ``load_weights`` takes them.

    By way of a Keras archive, whose weights are made in memory: when HDF5 itself cannot write
    its file, on a full disk, the process crashes at its end.
    """
    archive = path.with_name("next-weights.keras")
    try:
        network.save(archive, include_optimizer=False)
        with zipfile.ZipFile(archive) as stored:
            path.write_bytes(stored.read("model.weights.h5"))
    finally:
        archive.unlink(missing_ok=True)


def state_of(folder: Path) -> dict | None:
    """How far the run in ``folder`` is, and the fingerprint of its data, if it has begun.

    Raises :class:`ConfigInvalidError` when its checkpoint is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return json.loads(str(stored["state"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = f"{CHECKPOINT} of {folder.name} is damaged: remove it to begin anew"
        raise ConfigInvalidError(reason=reason) from error


class Checkpoint(keras.callbacks.Callback):
    """Everything that the next epoch depends on, in one file, replaced after each epoch.

    The variables of the network (the states of its dropouts among them) and of the optimizer
    (with the averages), how far it is, and the fingerprint of the data: a run that was killed
    goes on from the last whole epoch and ends with the weights it would have had.
    """

    def __init__(self, folder: Path, keep: KeepBest, fingerprint: str) -> None:
        super().__init__()
        self.path = folder / CHECKPOINT
        self.keep, self.fingerprint = keep, fingerprint

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        state = {"epochs": epoch + 1, "fingerprint": self.fingerprint} | self.keep.state
        arrays = {
            f"v{place}": keras.ops.convert_to_numpy(variable)
            for place, variable in enumerate(variables(self.model))
        }
        with whole(self.path) as path, path.open("wb") as file:
            np.savez(file, state=json.dumps(state), **arrays)
            file.flush()
            os.fsync(file.fileno())

    def restore(self, model: keras.Model, averaged: Averaged | None) -> int:
        """Put ``model`` and its optimizer where the run was; the number of epochs done."""
        with np.load(self.path, allow_pickle=False) as stored:
            state = json.loads(str(stored["state"]))
            for place, variable in enumerate(variables(model)):
                variable.assign(stored[f"v{place}"])
        for name in self.keep.state:
            setattr(self.keep, name, state[name])
        if averaged is not None:
            averaged.restored()
        return state["epochs"]


def variables(model: keras.Model) -> list:
    """All that training changes: of the network, its random states and its optimizer."""
    measures = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in measures]
    optimizer = {id(variable) for variable in model.optimizer.variables}
    return [v for v in own if id(v) not in optimizer] + list(model.optimizer.variables)


class TensorBoardLog(keras.callbacks.Callback):
    """The figures of each epoch as a file that TensorBoard shows; TensorBoard itself is not needed.

    Records of ``tensorflow/core/util/event.proto`` in TensorFlow's record format.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.writer = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        import tensorflow as tf
        from tensorflow.core.util.event_pb2 import Event

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        self.writer = tf.io.TFRecordWriter(str(self.folder / name))
        begun = Event(wall_time=time.time(), file_version="brain.Event:2")
        self.writer.write(begun.SerializeToString())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        from tensorflow.core.util.event_pb2 import Event

        event = Event(wall_time=time.time(), step=epoch + 1)
        for name, value in (logs or {}).items():
            event.summary.value.add(tag=name, simple_value=float(value))
        self.writer.write(event.SerializeToString())
        self.writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.writer.close()
