"""What the facts say of the data and of subgroups, for the model card."""

import json

import numpy as np
import pytest

from inference.metrics import accuracy
from inference.model_card_markdown import card_markdown
from ml_training.card_facts import population_facts, subgroup_facts
from ml_training.config import Config
from ml_training.datasets import Dataset, Split
from ml_training.errors import ConfigInvalidError


def split_of(n, *, first=0, sexes=("F", "M"), ages=(10.0, 40.0, 70.0)):
    """``n`` cases of ``n`` patients, numbered from ``first``."""
    return Split(
        images=[],
        truth=np.arange(n) % 3,
        patients=np.arange(first, first + n).astype(str),
        origins=np.full(n, "here"),
        sexes=np.resize(np.array(sexes), n),
        ages=np.resize(np.array(ages, np.float32), n),
        views=np.full(n, "PA"),
    )


@pytest.fixture
def dataset():
    ages = (10.0, 40.0, 70.0, np.nan)
    splits = {"train": split_of(8, ages=ages), "val": split_of(0), "test": split_of(90, first=50)}
    return Dataset(splits, "f" * 64)


def test_the_population_is_counted_by_split(dataset):
    found = population_facts(dataset)
    assert list(found["population"]) == ["train", "test"]
    train = found["population"]["train"]
    assert (train["n"], train["patients"]) == (8, 8)
    assert train["ages"] == {"known": 6, "min": 10.0, "median": 40.0, "max": 70.0, "under_18": 2}
    assert train["sexes"] == {"F": 4, "M": 4}
    assert train["views"] == {"PA": 8}
    assert train["origins"] == {"here": 8}
    assert found["patients_in_several_splits"] == 0


def test_patients_of_two_splits_are_counted(dataset):
    dataset.splits["test"].patients[:3] = ["0", "1", "1"]
    assert population_facts(dataset)["patients_in_several_splits"] == 2


def test_unknown_ages_have_no_range():
    found = population_facts(Dataset({"train": split_of(3, ages=(np.nan,))}, ""))
    ages = found["population"]["train"]["ages"]
    assert ages == {"known": 0, "min": None, "median": None, "max": None, "under_18": 0}


def test_subgroups_are_measured_and_stand_on_the_card(dataset):
    test = dataset.splits["test"]
    probabilities = np.random.default_rng(3).dirichlet([1, 1, 1], 90)
    women = test.sexes == "F"

    found = subgroup_facts(dataset, probabilities)

    by_sex = {group["name"]: group for group in found["by"]["sex"]}
    value, low, high = by_sex["F"]["figures"]["accuracy"]
    assert value == pytest.approx(accuracy(test.truth[women], probabilities[women]))
    assert low <= value <= high
    assert [group["name"] for group in found["by"]["age"]] == ["0-17", "40-59", "60-74"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    text = card_markdown({"subgroups": found, "data": population_facts(dataset)}, language="en")
    assert f"| Sex: female | 45 | {value * 100:.1f}%" in text


def test_a_model_is_trained_again_from_its_facts(tmp_path):
    config = Config.of({"name": "x", "version": "2", "architecture": "mobilenetv2", "index": "i"})
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"name": "x", "training": {"config": config.as_dict()}}))
    assert Config.read(path) == config
    path.write_text(json.dumps({"name": "x", "training": {}}))
    with pytest.raises(ConfigInvalidError):
        Config.read(path)


def test_what_taught_a_network_beside_its_index(tmp_path, monkeypatch):
    from ml_training.card_facts import further_facts
    from ml_training.config import Config

    monkeypatch.setenv("PNEUMONIAPP_DATA", str(tmp_path))
    (tmp_path / "masked.csv").write_text(
        "image_id,label,patient,file\na,normal,1,a.png\nb,not_normal,2,b.png\nc,normal,1,c.png\n"
    )
    (tmp_path / "boxes.csv").write_text("image_id,x,y,width,height\nb,0,0,9,9\nb,5,5,9,9\n")
    values = {"name": "x", "version": "1", "architecture": "mobilenetv2", "index": "i.csv"}
    assert further_facts(Config(**values)) == {}
    taught = Config(
        **values, trainable_from="block_7_expand", frozen_cache=2, masked_index="masked.csv",
        masked_share=0.25, boxes="boxes.csv",
    )  # fmt: skip
    assert further_facts(taught)["further"] == {
        "lung_masked": {
            "counts": {"normal": 2, "lung_opacity": 0, "not_normal": 1},
            "share": 0.25,
        },
        "boxes": {"images": 1},
    }
