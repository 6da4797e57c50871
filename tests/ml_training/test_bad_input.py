"""Files and options that are not what they should be end in a line, not in a traceback."""

import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference.registry import shipped_directories
from tests.ml_training.test_dataset_build import index_rows


@pytest.mark.parametrize("options", [["--validation", "nan"], ["--test", "nan"]])
def test_a_share_that_is_no_number_is_refused(tmp_path, options):
    index_rows(tmp_path / "given", ["train", "val", "test"])
    index = str(tmp_path / "given" / "index.csv")
    with pytest.raises(CommandError, match=r"dataset_invalid: .*shares"):
        call_command("dataset", "build", "--index", index, "--out", f"{tmp_path}/out", *options)


@pytest.mark.parametrize("content", ["[1]", "{", "5", "\x00"])
def test_a_report_needs_no_account_of_the_dataset(tmp_path, content):
    index_rows(tmp_path / "given", ["train", "val", "test"])
    (tmp_path / "given" / "dataset.json").write_text(content)

    call_command(
        "dataset", "report", f"{tmp_path}/given", "--out", f"{tmp_path}/r.html", verbosity=0
    )

    assert "given" in (tmp_path / "r.html").read_text()


@pytest.mark.training
@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("predictions.npz", b"x", "predictions.npz is damaged"),
        ("predictions.npz", b"PK\x03\x04", "predictions.npz is damaged"),
        ("predictions.npz", b"", "predictions.npz is damaged"),
        ("config.json", b"[1", "config.json is damaged"),
        ("run.json", b"[1]", "run.json is damaged"),
    ],
)
def test_a_damaged_run_is_not_compared(tmp_path, file, content, said):
    run = tmp_path / "run"
    run.mkdir()
    np.savez(run / "predictions.npz", val_ids=np.array(["a"]))
    (run / file).write_bytes(content)

    with pytest.raises(CommandError, match=f"run_invalid: run cannot be compared: {said}"):
        call_command("compare", run, out=tmp_path / "c.html")


@pytest.mark.training
def test_a_curve_needs_every_split_that_it_uses(tmp_path):
    index_rows(tmp_path / "given", ["train", "train", "test"])
    with pytest.raises(CommandError, match=r"dataset_invalid: .*no image of the split val"):
        call_command(
            "learning_curve",
            shipped_directories()[-1],
            index=tmp_path / "given" / "index.csv",
            out=tmp_path / "curve",
        )


@pytest.mark.training
def test_what_is_no_learning_curve_is_refused(tmp_path):
    (tmp_path / "growth.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(CommandError, match=r"run_invalid: .*no result of learning_curve"):
        call_command("compare", tmp_path, growth=tmp_path / "growth.json", out=tmp_path / "c.html")


@pytest.mark.training
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_devices_that_are_not_there_are_refused():
    from ml_training.errors import ConfigInvalidError
    from ml_training.training import _scope

    for devices in (("GPU:7", "GPU:8"), ("CPU:0", "GPU:7"), ("nonsense",)):
        with pytest.raises(ConfigInvalidError, match=r"no devices .*here are CPU:0"):
            _scope(devices)
    with _scope(("CPU:0",)):
        pass
