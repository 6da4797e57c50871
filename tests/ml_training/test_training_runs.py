"""Runs that are stopped, go on, share devices, learn from others: on a few tiny images."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ml_training.config import Config
from ml_training.datasets import read_dataset
from ml_training.errors import ConfigInvalidError
from ml_training.fusion import blank, fused_facts
from tests.ml_training.configs import changed, write_config
from tests.ml_training.test_datasets import synthetic_rows, write_index

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves; what we call of them is pinned.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
EPOCHS = 6


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    rows = synthetic_rows(folder, each=4)
    for number, row in enumerate(rows):
        row |= {"sex": "FM"[number % 2], "age": number if number % 3 else "", "view": "AP"}
    write_index(folder, rows)
    config = write_config(
        folder,
        architecture="cnn_original",
        input_size=32,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=4,
        warmup_epochs=1,
        head_epochs=2,
        ema=0.9,
    )
    return folder, config


@pytest.fixture(scope="module")
def undisturbed(configured):
    folder, config = configured
    call_command("train", config, run=folder / "undisturbed", verbosity=0)
    return folder / "undisturbed"


def weights_of(run):
    """Everything that the last epoch left, and the best weights."""
    import h5py

    with np.load(run / "checkpoint.npz") as stored:
        found = {name: stored[name] for name in stored.files if name != "state"}
    with h5py.File(run / "best.weights.h5") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return found


def epochs_of(run):
    if not (run / "checkpoint.npz").is_file():
        return 0
    with np.load(run / "checkpoint.npz") as stored:
        return json.loads(str(stored["state"]))["epochs"]


def same(one, other):
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_a_run_leaves_all_that_made_it(undisturbed):
    facts = json.loads((undisturbed / "run.json").read_text())
    with (undisturbed / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with np.load(undisturbed / "predictions.npz") as stored:
        shapes = {name: stored[name].shape for name in stored.files}

    assert len(rows) == EPOCHS == facts["training"]["epochs"]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "val_macro_auroc", "seconds"} <= set(
        rows[0]
    )
    assert facts["data"]["fingerprint"]
    assert facts["libraries"]["keras"]
    assert facts["servable"] is False
    assert not (undisturbed / "model").exists()
    assert shapes["train_probabilities"] == shapes["test_probabilities"] == (12, 3)
    assert shapes["val_features"] == (12, 10)
    assert list((undisturbed / "tensorboard").rglob("events*"))


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_run_ends_with_the_same_weights(configured, undisturbed, after):
    folder, config = configured
    run = folder / f"killed-{after}"
    command = [sys.executable, "manage.py", "train", str(config), "--run", str(run)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"}
    process = subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 300
    while epochs_of(run) < after and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert after <= epochs_of(run) < EPOCHS

    call_command("train", config, run=run, verbosity=0)

    same(undisturbed, run)


def test_a_run_that_is_done_is_not_trained_again(configured, undisturbed):
    _folder, config = configured
    before = (undisturbed / "checkpoint.npz").stat().st_mtime_ns

    call_command("train", config, run=undisturbed, verbosity=0)

    assert (undisturbed / "checkpoint.npz").stat().st_mtime_ns == before


def test_a_folder_of_another_configuration_is_refused(configured, undisturbed, tmp_path):
    _folder, config = configured
    other = changed(config, tmp_path / "other.yaml", seed=7)

    with pytest.raises(CommandError, match="another configuration"):
        call_command("train", other, run=undisturbed, verbosity=0)
    with pytest.raises(CommandError, match="another configuration"):
        call_command("train", other, run=undisturbed, finish=True, verbosity=0)


def test_two_devices_share_each_batch(configured):
    folder, config = configured
    short = changed(config, folder / "two.yaml", epochs=1, head_epochs=0)
    script = (
        "import tensorflow as tf\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "two = [tf.config.LogicalDeviceConfiguration()] * 2\n"
        "tf.config.set_logical_device_configuration(cpu, two)\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        f"call_command('train', {str(short)!r}, '--run', '{folder}/two', devices='CPU:0,CPU:1')\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"}

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=settings.BASE_DIR, env=environment,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "two" / "predictions.npz").is_file()


def test_a_run_learns_from_teachers_and_facts_and_begins_with_another(configured, undisturbed):
    folder, config = configured
    pupil = changed(
        config,
        folder / "pupil.yaml",
        epochs=1,
        head_epochs=0,
        teachers=[str(undisturbed)],
        teacher_flips=True,
        initial_run=str(undisturbed),
        augment=False,
        balance=False,
    )
    told = changed(
        config, folder / "told.yaml", epochs=1, head_epochs=0, fusion=["age", "sex", "view"]
    )

    call_command("train", pupil, run=folder / "pupil", verbosity=0)
    call_command("train", told, run=folder / "told", verbosity=0)

    facts = json.loads((folder / "told" / "run.json").read_text())
    assert "more than an image" in facts["not_servable"]["params"]["reason"]
    assert (folder / "pupil" / "predictions.npz").is_file()


def test_facts_that_are_missing_say_nothing(configured):
    folder, _config = configured
    train = read_dataset(folder / "index.csv").splits["train"]

    facts = fused_facts(train, ("age", "sex"))

    missing = np.isnan(train.ages)
    assert missing.any()
    assert not facts[missing, :2].any()
    assert (facts[:, 2] == (train.sexes == "F")).all()
    forgotten = blank(np.ones((2000, 4), np.float32), ("age", "sex"), np.random.default_rng(1))
    assert (forgotten[:, 0] == forgotten[:, 1]).all()
    assert 0.07 < 1 - forgotten[:, 2].mean() < 0.13


@pytest.mark.parametrize(
    "changes",
    [
        {"fusion": ["height"]},
        {"fusion": [3]},
        {"optimizer": "sgd"},
        {"boxes": "boxes.csv"},
        {"frozen_cache": 2},
        {"epochs": 0},
        {"head_epochs": EPOCHS},
        {"distillation_weight": 2},
        {"teacher_flips": True},
        {"augment": 1},
        {"name": "../elsewhere"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "Capital"},
        {"version": "1/2"},
        {"version": ""},
        {"patience": 0},
        {"patience": -3},
        {"weight_decay": -0.1},
        {"weight_decay": float("nan")},
        {"weight_decay": 2},
        {"ema": 1.0},
        {"label_smoothing": 1.0},
        {"warmup_epochs": -1},
        {"input_size": 0},
        {"frozen_cache": -1},
        {"masked_share": 1.0},
        {"box_weight": float("inf")},
        {"seed": 2**40},
    ],
)
def test_says_what_does_not_go_together(configured, tmp_path, changes):
    _folder, config = configured

    with pytest.raises(ConfigInvalidError):
        Config.read(changed(config, tmp_path / "wrong.yaml", **changes))
