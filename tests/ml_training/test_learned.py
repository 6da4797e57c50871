"""Nobody who taught a network, or one that it builds upon, is among those it is judged by."""

import json
from dataclasses import replace

import pytest

from ml_training.config import Config
from ml_training.datasets import read_dataset
from ml_training.errors import ConfigInvalidError, SplitLeakError
from ml_training.learned import Learned, check_unseen, of_runs, of_split, write_learned
from tests.ml_training.configs import write_config
from tests.ml_training.test_datasets import synthetic_rows


@pytest.fixture
def config(tmp_path):
    synthetic_rows(tmp_path, each=2)
    return Config.read(write_config(tmp_path, architecture="cnn_original"))


def test_runs_say_whom_they_and_those_before_them_learned_from(config, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_learned(tmp_path / name, Learned(frozenset({f"p-{name}"}), frozenset({name})))

    found = of_runs(
        replace(config, initial_run=str(tmp_path / "first"), teachers=(str(tmp_path / "second"),))
    )

    assert found == Learned(frozenset({"p-first", "p-second"}), frozenset({"first", "second"}))
    assert of_runs(config) == Learned()


@pytest.mark.parametrize("content", ["", "[]", '{"patients": []}', "no JSON"])
def test_a_run_that_does_not_say_cannot_be_built_upon(config, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "learned_from.json").write_text(content)
    with pytest.raises(ConfigInvalidError, match="whom it learned from"):
        of_runs(replace(config, initial_run=str(tmp_path / "run")))


@pytest.mark.parametrize("split", ["val", "test"])
def test_who_is_judged_by_must_not_have_taught(config, tmp_path, split):
    dataset = read_dataset(config.index_path)
    judged, train = dataset.splits[split], of_split(dataset.splits["train"])

    check_unseen(dataset, train)
    with pytest.raises(SplitLeakError):
        check_unseen(dataset, train | Learned(patients=frozenset(judged.patients[:1].tolist())))
    with pytest.raises(SplitLeakError):
        check_unseen(dataset, train | Learned(images=frozenset(judged.ids[:1].tolist())))


@pytest.mark.training
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("key", ["initial_run", "teachers"])
def test_a_run_upon_one_that_saw_the_test_patients_is_refused(config, tmp_path, key):
    from ml_training.training import train

    dataset = read_dataset(config.index_path)
    (tmp_path / "before").mkdir()
    write_learned(tmp_path / "before", of_split(dataset.splits["test"]))
    before = str(tmp_path / "before")
    changes = {key: before if key == "initial_run" else (before,)}

    with pytest.raises(SplitLeakError):
        train(replace(config, **changes), tmp_path / "run")

    assert not (tmp_path / "run" / "config.json").exists()
    (tmp_path / "before" / "learned_from.json").write_text(
        json.dumps({"patients": [], "images": []})
    )
    with pytest.raises(ConfigInvalidError):  # There are no weights, but no leak.
        train(replace(config, **changes), tmp_path / "run")


@pytest.mark.training
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_lung_masked_copy_of_a_test_radiograph_is_told_by_its_name(config, tmp_path):
    from ml_training.training import train

    dataset = read_dataset(config.index_path)
    masked = tmp_path / "masked.csv"
    file = "images/train-normal-0.png"
    name = dataset.splits["test"].ids[0]
    masked.write_text(f"image_id,label,patient,file\n{name},normal,somebody,{file}\n")

    with pytest.raises(SplitLeakError):
        train(
            replace(
                config,
                architecture="mobilenetv2",
                trainable_from="block_16_expand",
                frozen_cache=1,
                masked_index=str(masked),
            ),
            tmp_path / "run",
        )
