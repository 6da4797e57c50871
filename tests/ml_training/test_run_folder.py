"""The folder of a run: one process at a time, one configuration, whole files on a full disk."""

import json
import os
import resource
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ml_training.errors import RunBusyError
from ml_training.runs import held
from tests.ml_training.challenge import change_rows
from tests.ml_training.configs import changed, write_config
from tests.ml_training.test_datasets import synthetic_rows
from tests.ml_training.test_training_runs import same

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves; what we call of them is pinned.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    synthetic_rows(folder, each=4)
    config = write_config(
        folder, architecture="cnn_original", input_size=32, epochs=3, batch_size=4, warmup_epochs=0
    )
    return folder, config


@pytest.fixture(scope="module")
def undisturbed(configured):
    folder, config = configured
    call_command("train", config, run=folder / "undisturbed", verbosity=0)
    return folder / "undisturbed"


def test_two_processes_are_not_at_work_in_one_folder(configured, tmp_path):
    _folder, config = configured
    with held(tmp_path / "run"), pytest.raises(CommandError, match=r"run_busy: .*run\."):
        call_command("train", config, run=tmp_path / "run", verbosity=0)
    with held(tmp_path / "curve"), pytest.raises(CommandError, match="run_busy"):
        call_command("learning_curve", backbone=[config], out=tmp_path / "curve")


def test_a_killed_process_lets_go_of_its_folder(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; import django; django.setup()\n"
        "from ml_training.runs import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunBusyError), held(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()

    with held(tmp_path):
        pass


def test_the_weights_of_a_folder_in_use_are_not_exported(configured, undisturbed):
    _folder, config = configured
    with held(undisturbed), pytest.raises(CommandError, match="run_busy"):
        call_command("train", config, run=undisturbed, finish=True, verbosity=0)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "vgg"},
        {"initial_run": "nowhere"},
        {"teachers": ["nowhere"]},
        {"index": "nowhere.csv"},
        {"weights": "nowhere.h5"},
    ],
)
def test_a_rejected_configuration_does_not_keep_the_folder(configured, tmp_path, change):
    _folder, config = configured
    with pytest.raises(CommandError, match="_invalid: "):
        call_command("train", changed(config, tmp_path / "w.yaml", **change), run=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


def test_the_mended_configuration_is_trained_in_the_same_folder(configured, tmp_path):
    _folder, config = configured
    wrong = changed(config, tmp_path / "wrong.yaml", weights="nowhere.h5", seed=7)
    with pytest.raises(CommandError):
        call_command("train", wrong, run=tmp_path / "run", verbosity=0)

    call_command("train", changed(config, tmp_path / "b", epochs=1), run=tmp_path / "run")

    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 42


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_that_a_split_lacks_is_told_before_training(tmp_path, split):
    synthetic_rows(tmp_path, each=2)
    config = write_config(tmp_path, architecture="cnn_original", input_size=32)

    def relabel(row):
        if row["split"] == split and row["label"] == "not_normal":
            row["label"] = "normal"

    change_rows(tmp_path / "index.csv", relabel)

    with pytest.raises(CommandError, match=rf"dataset_invalid: .*no not_normal .*split {split}"):
        call_command("train", config, run=tmp_path / "run", verbosity=0)
    assert not (tmp_path / "run" / "config.json").exists()


def limited(largest: int, *arguments) -> subprocess.CompletedProcess:
    """A training that can write no file larger than ``largest`` bytes: as on a full disk."""
    command = [sys.executable, "manage.py", "train", *map(str, arguments)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"}
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )  # fmt: skip


def test_a_full_disk_leaves_nothing_torn_and_the_run_goes_on(configured, undisturbed):
    folder, config = configured
    sizes = {path.name: path.stat().st_size for path in undisturbed.rglob("*") if path.is_file()}
    run = folder / "full"
    assert sizes["config.json"] < sizes["best.weights.h5"] // 4

    for name in ("best.weights.h5", "config.json"):
        failed = limited(sizes[name] // 4, config, "--run", run)

        assert failed.returncode == 1
        assert failed.stderr.splitlines()[-1].startswith("CommandError: file_failed: "), name
        assert name in failed.stderr.splitlines()[-1]
        assert "cannot be read or written: file too large." in failed.stderr
        assert not [path.name for path in run.iterdir() if path.name.startswith("next-")]
        assert not (run / "checkpoint.npz").exists()

    call_command("train", config, run=run, verbosity=0)

    same(undisturbed, run)
