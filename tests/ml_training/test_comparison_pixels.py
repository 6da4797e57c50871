"""An exported model folder through the whole comparison: images, boxes, changes, latency."""

import csv
import json

import cv2
import numpy as np
import pytest
from django.utils.translation import override

from inference.engine import Engine
from inference.models import LABELS
from inference.registry import shipped_directories
from ml_training.comparison import compare
from ml_training.comparison_report import figures_of, render
from ml_training.served import ServedNetwork, read_image
from tests.ml_training.test_shortcuts import chest

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]


@pytest.fixture(scope="module")
def shipped():
    return shipped_directories()[-1]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Twelve patients a split; opacities are bright blots, with their boxes."""
    folder = tmp_path_factory.mktemp("pixels")
    (folder / "images").mkdir()
    random = np.random.default_rng(6)
    rows, boxes = [], []
    for split in ("train", "val", "test"):
        for number in range(12):
            name = f"{split}{number}"
            image = chest(320) + random.integers(0, 12, (320, 320)).astype(np.uint8)
            label = LABELS[number % 3]
            if label == "lung_opacity":
                x, y = (int(value) for value in random.integers(90, 230, 2))
                cv2.circle(image, (x, y), 30, 215, -1)
                scale = 1024 / 320
                boxes.append([name, *((np.array([x - 30, y - 30, 60, 60]) * scale).tolist())])
            cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
            rows.append([name, label, f"p-{name}", "F", "50", "PA", "clinic", split,
                         f"images/{name}.png"])  # fmt: skip
    header = ["image_id", "label", "patient", "sex", "age", "view", "origin", "split", "file"]
    for path, lines in (
        ("index.csv", [header, *rows]),
        ("boxes.csv", [["image_id", "x", "y", "width", "height"], *boxes]),
    ):
        with (folder / path).open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    return folder / "index.csv"


@pytest.fixture(scope="module")
def compared(shipped, index):
    return compare([shipped], index=index)


def test_says_what_serving_says(shipped, index):
    engine, network = Engine.load(shipped), ServedNetwork(shipped)
    images = [read_image(path) for path in sorted((index.parent / "images").glob("test*.png"))[:4]]

    outputs = network.outputs(images, maps=True)

    for image, raw in zip(images, outputs.raw, strict=True):
        np.testing.assert_allclose(engine.predict(image).raw, raw, atol=1e-6)
    np.testing.assert_allclose(outputs.features, outputs.maps.mean(axis=(1, 2)), atol=1e-5)
    # The last layer on these features is the network's own answer, up to its bias.
    logits = outputs.features @ network.kernel
    bias = np.log(outputs.raw) - logits
    bias -= bias.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(bias, np.broadcast_to(bias[0], bias.shape), atol=1e-3)


def test_an_exported_model_is_measured_whole(compared, shipped):
    (candidate,) = compared.candidates
    name = candidate.name

    assert compared.figures[name]["test"]["n"] == 12
    cost = compared.costs[name]
    assert cost["bytes"] == (shipped / "model.tflite").stat().st_size
    assert 2_000_000 < cost["parameters"] < 6_000_000
    latency = cost["latency"]
    assert 0 < latency["low"] <= latency["median"] <= latency["high"]
    assert latency["rounds"][0] <= latency["median"] <= latency["rounds"][1]
    changes = compared.shortcuts[name]["changes"]
    assert changes["lungs"]["changed_images"] == 12
    assert changes["letters"]["changed_images"] <= changes["marks"]["changed_images"]
    # One origin: there is nothing to tell.
    assert compared.shortcuts[name]["probe"] is None


def test_maps_are_held_against_the_boxes_and_follow_what_was_learned(compared):
    found = compared.localisation[compared.candidates[0].name]

    assert found["all"]["n"] == 4
    assert 0 <= found["all"]["hit_rate"] <= 1
    # A circle of 30 in a box of 60, of an image of 320.
    assert found["all"]["random_point"] == pytest.approx((60 / 320) ** 2, abs=0.006)
    for sanity in found["sanity"].values():
        assert sanity["mean"] < 0.9


def test_its_page_and_figures_are_made(compared):
    with override("en"):
        page = render(compared)

    assert "Hottest point in a box" in page
    assert "burned-in letters painted over" in page
    json.dumps(figures_of(compared), allow_nan=False)
