"""One tiny run from images to a model folder that the engine loads."""

import json
import shutil

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference.engine import Engine
from ml_training.card_facts import complete
from ml_training.config import Config
from ml_training.errors import ConfigInvalidError, DatasetInvalidError, ExportParityError
from tests.ml_training.configs import changed, write_config
from tests.ml_training.test_datasets import synthetic_rows

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
    ],
)
def test_says_what_is_wrong_with_a_configuration(configured, tmp_path, change, reason):
    _folder, config = configured
    path = changed(config, tmp_path / "wrong.yaml", **change)

    with pytest.raises(CommandError, match=reason):
        call_command("train", path, run=tmp_path / "run", verbosity=0)


def test_a_configuration_must_be_a_mapping(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("- a list")
    with pytest.raises(ConfigInvalidError):
        Config.read(path)
