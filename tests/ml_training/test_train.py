"""One tiny run from images to a model folder that the engine loads."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference.engine import Engine
from inference.errors import ModelFolderInvalidError
from ml_training.card_facts import complete
from ml_training.config import Config
from ml_training.datasets import read_dataset
from ml_training.errors import ConfigInvalidError, DatasetInvalidError, ExportParityError
from tests.ml_training.configs import changed, write_config
from tests.ml_training.test_datasets import synthetic_rows
from tests.ml_training.test_run_folder import limited

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves; what we call of them is pinned.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    synthetic_rows(folder, each=4)
    config = write_config(
        folder,
        architecture="mobilenetv2",
        trainable_from="block_16_expand",
        epochs=1,
        batch_size=6,
        warmup_epochs=0,
    )
    return folder, config


@pytest.fixture(scope="module")
def trained(configured):
    folder, config = configured
    call_command("train", config, run=folder / "run", verbosity=0)
    return folder / "run"


def test_the_exported_model_serves_and_says_where_it_comes_from(trained):
    engine = Engine.load(trained / "model")

    prediction = engine.predict(np.random.default_rng(1).integers(0, 256, (99, 88), np.uint8))

    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.activation.shape == (8, 8)
    facts = json.loads((trained / "model" / "facts.json").read_text())
    assert facts["parity"]["max_abs_difference"] <= 1e-4
    assert facts["metrics"]["test"]["n"] == 12
    assert facts["training"]["config"]["seed"] == 42
    assert facts["data"]["fingerprint"]
    assert facts["data"]["patients_in_several_splits"] == 0
    assert facts["subgroups"]["by"]["sex"]
    card = (trained / "model" / "model_card.en.md").read_text()
    assert facts["data"]["fingerprint"] in card
    assert (trained / "model" / "model_card.fr.md").is_file()


def test_an_older_folder_gets_the_facts_of_its_card(configured, trained, tmp_path):
    folder, _config = configured
    older = shutil.copytree(trained / "model", tmp_path / "older")
    facts = json.loads((older / "facts.json").read_text())
    bare = facts | {"data": {k: v for k, v in facts["data"].items() if k != "population"}}
    del bare["subgroups"]
    (older / "facts.json").write_text(json.dumps(bare))

    complete(older, folder / "index.csv")

    found = json.loads((older / "facts.json").read_text())
    assert found["data"] == facts["data"]
    groups = facts["subgroups"]["by"]["sex"]
    assert [g["n"] for g in found["subgroups"]["by"]["sex"]] == [g["n"] for g in groups]
    (older / "facts.json").write_text(
        json.dumps(bare | {"data": bare["data"] | {"fingerprint": "0" * 64}})
    )
    with pytest.raises(DatasetInvalidError):
        complete(older, folder / "index.csv")


def test_the_same_seed_gives_the_same_weights(configured, trained):
    import keras

    folder, config = configured
    call_command("train", config, run=folder / "again", verbosity=0)

    first, second = (
        keras.models.load_model(run / "model" / "model.keras", compile=False).get_weights()
        for run in (trained, folder / "again")
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stopped_run_is_finished_from_its_best_weights(configured, trained):
    _folder, config = configured
    before = (trained / "model" / "classifier.npy").read_bytes()

    call_command("train", config, run=trained, finish=True, verbosity=0)

    assert (trained / "model" / "classifier.npy").read_bytes() == before


def test_an_export_that_a_full_disk_ends_leaves_the_model_that_was_there(configured, trained):
    _folder, config = configured
    files = {path.name: path.read_bytes() for path in (trained / "model").iterdir()}

    failed = limited(len(files["model.keras"]) // 2, config, "--run", trained, "--finish")

    assert failed.returncode == 1
    assert "CommandError: file_failed: " in failed.stderr
    assert {path.name: path.read_bytes() for path in (trained / "model").iterdir()} == files
    assert not [path for path in trained.iterdir() if path.name.startswith(("next", "former"))]


def test_certainty_is_found_anew_on_the_same_data_alone_beside_what_is_there(
    configured, trained, tmp_path
):
    from ml_training.certainty import refit

    folder, _config = configured
    target = tmp_path / "refitted"
    target.mkdir()
    (target / "former").write_text("what is there")
    dataset = read_dataset(folder / "index.csv")
    with pytest.raises(DatasetInvalidError, match="not the data"):
        refit(trained / "model", target, replace(dataset, fingerprint="0" * 64), version="1c")
    damaged = shutil.copytree(trained / "model", tmp_path / "damaged")
    (damaged / "model.keras").write_bytes(b"damaged")
    with pytest.raises(ModelFolderInvalidError):
        refit(damaged, target, dataset, version="1c")
    assert [path.name for path in target.iterdir()] == ["former"]

    assert refit(trained / "model", target, dataset, version="1c") == target

    before, after = (
        json.loads((place / "facts.json").read_text()) for place in (trained / "model", target)
    )
    assert after["version"] == "1c"
    assert after["conformal"] == before["conformal"]
    assert {path.name for path in target.iterdir()} == {
        path.name for path in (trained / "model").iterdir()
    }
    Engine.load(target)


def test_an_export_that_differs_is_refused(trained, tmp_path, monkeypatch):
    from ml_training import export
    from ml_training.architectures import build

    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", -1.0)
    model = build("mobilenetv2", weights=None)
    with pytest.raises(ExportParityError):
        export.export_weights(model, tmp_path, np.zeros((1, 256, 256, 3), np.float32))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epocs": 3}, "epocs"),
        ({"epochs": "many"}, "epochs"),
        ({"architecture": "vgg"}, "vgg"),
        ({"trainable_from": "block_99"}, "block_99"),
        ({"weights": "absent.h5"}, "absent"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": "15e-5"}, "write 0.00015"),
        ({"dropout": 1.5}, "dropout"),
    ],
)
def test_says_what_is_wrong_with_a_configuration(configured, tmp_path, change, reason):
    _folder, config = configured
    path = changed(config, tmp_path / "wrong.yaml", **change)

    with pytest.raises(CommandError, match=reason):
        call_command("train", path, run=tmp_path / "run", verbosity=0)


def test_a_model_says_of_its_data_what_is_known_of_it(configured, tmp_path):
    from ml_training.finishing import source_facts

    folder, config = configured
    config = Config.read(config)
    assert source_facts(config) == {"name": folder.name}, "nothing is known of its terms"
    index = tmp_path / "ours"
    index.mkdir()
    (index / "dataset.json").write_text('{"name": "Ours", "terms": "Ask us."}')
    config = replace(config, index=str(index))
    assert source_facts(config) == {"name": "Ours", "terms": "Ask us."}
    stated = replace(config, data_name="Theirs", data_terms="Free.")
    assert source_facts(stated) == {"name": "Theirs", "terms": "Free."}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"5: 1", b"name: [", b"- a list"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content):
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalidError):
        Config.read(path)


def test_a_configuration_must_be_a_mapping(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("- a list")
    with pytest.raises(ConfigInvalidError):
        Config.read(path)
