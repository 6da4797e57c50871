"""The engine: calibration, certainty, maps, checksums, threads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from inference.certainty import calibrate
from inference.engine import Engine, engine_for, local_probability
from inference.errors import ModelUnusableError, NoModelInProductionError
from inference.explanation import CLEAR_BELOW, MAP_SIZE, MOST_OPAQUE, map_png
from inference.litert import FEATURES
from inference.models import LABELS
from inference.registry import production_version
from inference.services import model_promote, model_register
from tests.radiology.factories import chest_pixels


@pytest.fixture(scope="module")
def loaded(shipped) -> Engine:
    return Engine.load(shipped)


@pytest.fixture(scope="module")
def rendered() -> np.ndarray:
    return chest_pixels(512, 448, bits_stored=8)


def test_a_prediction(loaded, rendered):
    prediction = loaded.predict(rendered)
    assert prediction.label in LABELS
    assert tuple(prediction.probabilities) == LABELS
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert prediction.label == max(LABELS, key=prediction.probabilities.get)
    assert prediction.raw.shape == (3,)
    assert prediction.raw.sum() == pytest.approx(1, abs=1e-5)
    assert LABELS[int(prediction.raw.argmax())] == prediction.label
    assert prediction.activation.shape == (loaded.size // 32, loaded.size // 32)
    assert prediction.activation.dtype == np.float32
    assert 0 <= prediction.activation.min() <= prediction.activation.max() <= 1
    assert set(prediction.milliseconds) == {"input", "network", "activation"}


def test_the_same_image_gives_the_same_prediction_in_every_thread(loaded, rendered):
    expected = loaded.predict(rendered).raw
    found, barrier = [], threading.Barrier(4)

    def run():
        barrier.wait()
        found.extend(loaded.predict(rendered).raw for _ in range(3))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    for raw in found:
        np.testing.assert_array_equal(raw, expected)


def test_temperature_scaling():
    raw = np.array([0.7, 0.2, 0.1], np.float32)
    np.testing.assert_allclose(calibrate(raw, 1.0), raw, atol=1e-6)
    # softmax(log(p) / 2) is p ** 0.5, normalised.
    np.testing.assert_allclose(calibrate(raw, 2.0), np.sqrt(raw) / np.sqrt(raw).sum(), atol=1e-6)
    certain = calibrate(np.array([1, 0, 0], np.float32), 1.5)
    assert np.isfinite(certain).all()
    assert certain.sum() == pytest.approx(1)


def test_an_input_of_another_size_is_refused(folder_like):
    with pytest.raises(ModelUnusableError):
        Engine.load(folder_like(version="9", input_size=[224, 224]))


def test_the_mean_of_the_places_is_the_whole_image():
    """Logits are additive over places: one place alone must give back the whole image."""
    rng = np.random.default_rng(1)
    features, kernel = rng.random((1, 1, 16)), rng.normal(size=(16, 3))
    logits = features[0, 0] @ kernel + np.array([0.3, -0.2, 0.1])
    raw = np.exp(logits) / np.exp(logits).sum()
    found = local_probability(features, kernel, raw, temperature=1.0)
    np.testing.assert_allclose(found[0, 0], raw, atol=1e-6)


def test_a_place_with_the_evidence_stands_out():
    features = np.zeros((4, 4, 2))
    features[1, 2] = [8, 0]
    kernel = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    logits = features.mean(axis=(0, 1)) @ kernel
    raw = np.exp(logits) / np.exp(logits).sum()
    found = local_probability(features, kernel, raw, temperature=1.0)[..., 0]
    assert np.unravel_index(found.argmax(), found.shape) == (1, 2)
    assert found[1, 2] > 0.99
    assert found[0, 0] == pytest.approx(1 / 3, abs=1e-6)


def test_the_map_of_the_shipped_model_agrees_with_its_probabilities(loaded, rendered, shipped):
    """The mean of the local logits is the logits of the image: the kernel is the right one."""
    kernel = np.load(shipped / "classifier.npy")
    dark = loaded.predict(np.zeros((256, 256), np.uint8))
    assert kernel.shape == (1280, 3)

    def pooled(image):
        from inference.model_input import model_input

        return loaded.network.run(model_input(image, loaded.size))[FEATURES].mean(axis=(0, 1))

    def bias(image, raw):
        difference = np.log(raw) - pooled(image) @ kernel
        return difference - difference.mean()

    # Softmax forgets a constant; what remains is the layer's own bias, the same for any image.
    first = bias(rendered, loaded.predict(rendered).raw)
    second = bias(np.zeros((256, 256), np.uint8), dark.raw)
    np.testing.assert_allclose(first, second, atol=2e-3)


def test_another_kernel_gives_another_map(loaded, rendered):
    """A map that did not change would tell of the image, not of the model.

    Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018: here the last layer is
    randomised; ``tests/ml_training/test_gate.py`` randomises the whole network.
    """
    own = loaded.predict(rendered)
    random = np.random.default_rng(5)
    changes = []
    for _repeat in range(6):
        kernel = random.permutation(loaded._kernel.ravel()).reshape(loaded._kernel.shape)
        other = Engine(loaded.facts, loaded.network._weights, kernel, loaded.rules._gate).predict(
            rendered
        )
        np.testing.assert_array_equal(other.raw, own.raw)
        changes.append(abs(other.activation - own.activation).mean() / own.activation.std())
    assert np.mean(changes) > 0.4


@pytest.mark.parametrize("name", ["model.tflite", "classifier.npy", "facts.json"])
def test_a_damaged_model_is_refused(folder_like, name):
    folder = folder_like(version="9")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / name).write_bytes(content)
    with pytest.raises(ModelUnusableError):
        Engine.load(folder)


def test_a_model_made_for_another_input_is_refused(folder_like):
    with pytest.raises(ModelUnusableError, match="preprocessing"):
        Engine.load(folder_like(version="9", preprocessing_version="0"))


def test_weights_that_are_not_a_network_are_refused(folder_like, shipped):
    import hashlib

    files = json.loads((shipped / "facts.json").read_text())["files"]
    files["litert"]["sha256"] = hashlib.sha256(b"not a network").hexdigest()
    folder = folder_like(version="9", files=files)
    (folder / files["litert"]["name"]).write_bytes(b"not a network")
    with pytest.raises(ModelUnusableError):
        Engine.load(folder)


def production_engine() -> Engine:
    """As a worker finds it at each reading."""
    return engine_for(production_version().pk)


@pytest.mark.django_db
def test_a_promotion_changes_the_engine_without_a_restart(shipped, folder_like):
    with pytest.raises(NoModelInProductionError):
        production_engine()
    first = model_register(directory=shipped, promote=True)
    assert production_engine() is production_engine() is engine_for(first.pk)
    assert production_engine().name == str(first)
    second = model_register(directory=folder_like(version="9"))
    assert production_engine().name == str(first)
    model_promote(model_version=second)
    assert production_engine().name == str(second)


def test_neither_web_nor_worker_parent_imports_a_runtime():
    """What both import at start holds no decoder, no OpenCV, no runtime, no TensorFlow."""
    program = (
        "import django, sys; django.setup(); import pneumoniapp.urls, inference.tasks\n"
        "print([m for m in ('tensorflow', 'ai_edge_litert', 'cv2') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test", "PATH": ""},
    )
    assert found.stdout.strip() == "[]"


# --- The picture ----------------------------------------------------------------------------


def rgba(activation: np.ndarray) -> np.ndarray:
    image = Image.open(io.BytesIO(map_png(activation)))
    image.load()
    return np.asarray(image.convert("RGBA"))


def test_the_map_is_a_picture_with_transparency():
    picture = rgba(np.full((8, 8), 1, np.float32))
    assert picture.shape == (MAP_SIZE, MAP_SIZE, 4)
    assert set(picture[..., 3].ravel()) == {round(255 * MOST_OPAQUE)}
    assert rgba(np.zeros((8, 8), np.float32))[..., 3].max() == 0


def test_the_scale_is_fixed_and_opacity_grows_with_the_value():
    opacities, lightness = [], []
    for value in np.linspace(0, 1, 11):
        picture = rgba(np.full((8, 8), value, np.float32)).reshape(-1, 4)
        assert len(np.unique(picture, axis=0)) == 1
        red, green, blue, opacity = (int(channel) for channel in picture[0])
        opacities.append(opacity)
        lightness.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
        assert (opacity == 0) == (value <= CLEAR_BELOW)
    assert opacities == sorted(opacities)
    assert lightness == sorted(lightness)
    # The same value beside a stronger one keeps its colour.
    mixed = np.full((8, 8), 0.5, np.float32)
    mixed[0, 0] = 1
    assert (rgba(mixed)[-1, -1] == rgba(np.full((8, 8), 0.5, np.float32))[-1, -1]).all()


def test_the_map_keeps_places():
    activation = np.zeros((8, 8), np.float32)
    activation[2, 6] = 1
    opacity = rgba(activation)[..., 3]
    row, column = np.unravel_index(opacity.argmax(), opacity.shape)
    assert (row // 32, column // 32) == (2, 6)
