"""What the seed decides, and what nothing else may."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ml_training.config import Config
from ml_training.datasets import read_dataset
from tests.ml_training.test_datasets import synthetic_rows, write_index

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves; what we call of them is pinned.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]


@pytest.fixture
def config(tmp_path):
    synthetic_rows(tmp_path, each=4)
    return Config(
        name="tiny",
        version="1",
        architecture="cnn_original",
        index=str(tmp_path / "index.csv"),
        input_size=32,
        epochs=1,
        batch_size=4,
    )


def read(batches, *, epoch, order):
    batches.epoch = epoch
    return {batch: batches[batch] for batch in order}


def test_batches_depend_on_seed_and_epoch_and_on_nothing_else(config):
    from ml_training.batches import Batches

    train = read_dataset(config.index_path).splits["train"]
    first, second = Batches(train, config), Batches(train, config)
    second.threads = ThreadPoolExecutor(8)
    read(second, epoch=5, order=[1, 1])

    one = read(first, epoch=3, order=[0, 1, 2])
    other = read(second, epoch=3, order=[2, 0, 1])
    later = read(first, epoch=4, order=[0, 1, 2])

    for batch, (images, targets) in one.items():
        np.testing.assert_array_equal(images, other[batch][0])
        np.testing.assert_array_equal(targets, other[batch][1])
        assert (images != later[batch][0]).any()


def test_the_feed_follows_the_epoch(config):
    from ml_training.batches import Batches, as_feed

    batches = Batches(read_dataset(config.index_path).splits["train"], config)
    feed = as_feed(batches)

    for epoch in (2, 0):
        batches.epoch = epoch
        found = [images.numpy() for images, _targets in feed]
        assert len(found) == len(batches) == 3
        for batch, images in enumerate(found):
            np.testing.assert_array_equal(images, batches[batch][0])


def test_the_head_alone_learns_first_and_what_learned_learns_again(config):
    from ml_training.training import head_alone, network_of

    network = network_of(config)
    before = [variable.path for variable in network.trainable_variables]

    with head_alone(network):
        within = [variable.path for variable in network.trainable_variables]

    assert within
    assert all(path.startswith("classifier/") for path in within)
    assert [variable.path for variable in network.trainable_variables] == before
    assert len(before) > len(within)


def test_teachers_are_asked_of_the_mirrored_images_too(config, tmp_path):
    import json

    from ml_training.predictions import network_inputs, predict, predict_splits
    from ml_training.teachers import soft_targets
    from ml_training.training import network_of

    dataset = read_dataset(config.index_path)
    train, run = dataset.splits["train"], tmp_path / "run"
    run.mkdir()
    network = network_of(config)
    network.save_weights(run / "best.weights.h5")
    (run / "config.json").write_text(json.dumps(config.as_dict()))
    predict_splits(network, dataset, run)
    inputs = network_inputs(train, config.input_size)
    plain, mirrored = predict(network, inputs), predict(network, inputs[:, :, ::-1])

    assert abs(plain - mirrored).max() > 1e-6
    np.testing.assert_allclose(soft_targets([run], train), plain, atol=1e-6)
    both = soft_targets([run, run], train, flips=True)
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=1e-6)


def test_a_run_without_a_test_split_is_measured_and_says_why_it_is_not_served(config, tmp_path):
    import json
    from dataclasses import replace

    from ml_training.training import train

    folder = tmp_path / "two"
    folder.mkdir()
    rows = [row for row in synthetic_rows(folder, each=4) if row["split"] != "test"]
    write_index(folder, rows)
    config = replace(
        config, index=str(folder / "index.csv"), architecture="mobilenetv2_frozen", warmup_epochs=0
    )

    assert train(config, tmp_path / "run") == tmp_path / "run"

    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert set(facts["metrics"]) == {"val"}
    assert facts["not_servable"]["code"] == "model_not_servable"
    assert "test split" in facts["not_servable"]["params"]["reason"]


def test_a_folder_stays_its_configurations_when_a_later_revision_can_say_more(config, tmp_path):
    import json
    from dataclasses import replace

    from ml_training.errors import ConfigInvalidError
    from ml_training.runs import claim

    said = config.as_dict()
    del said["head_epochs"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(said))

    claim(tmp_path, config)

    assert json.loads(path.read_text())["head_epochs"] == 0
    for wrong in (json.dumps(said | {"gone": 1}), "{", json.dumps(said | {"seed": 7})):
        path.write_text(wrong)
        with pytest.raises(ConfigInvalidError, match="another configuration"):
            claim(tmp_path, config)
        assert path.read_text() == wrong
    with pytest.raises(ConfigInvalidError):
        claim(tmp_path, replace(config, seed=8))
