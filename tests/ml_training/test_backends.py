"""The same networks and the same runs on another Keras backend, where one is installed."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import yaml
from django.conf import settings

from tests.ml_training.test_datasets import synthetic_rows

pytestmark = pytest.mark.training

ELSEWHERE = """
    import django
    django.setup()
    import keras
    import numpy as np
    from ml_training.architectures import ARCHITECTURES, build
    assert keras.backend.backend() == "{backend}"
    random = np.random.default_rng(0)
    images = random.random((2, 80, 80, 3), np.float32)
    for name in ARCHITECTURES:
        model = build(name, weights=None, input_size=80, dropout=0.2)
        found = np.asarray(model.predict_on_batch(images))
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-4)
        if name in ("cnn_original", "mobilenetv2_frozen"):  # compiling the others takes minutes
            model.compile(keras.optimizers.SGD(1e-3), loss="categorical_crossentropy")
            before = [v.copy() for v in model.layers[-1].get_weights()]
            assert np.isfinite(model.train_on_batch(images, np.eye(3, dtype="float32")[:2]))
            after = model.layers[-1].get_weights()
            assert any((old != new).any() for old, new in zip(before, after))
    import sys
    assert "tensorflow" not in sys.modules or "{backend}" == "tensorflow"
    print("built", len(ARCHITECTURES))
"""


def run(backend, *arguments):
    """What a Python of its own prints when Keras is on ``backend`` there."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: nothing is built or trained on it here")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_definitions_build_on_another_backend(backend):
    assert "built 8" in run(backend, "-c", textwrap.dedent(ELSEWHERE.format(backend=backend)))


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_run_on_another_backend_is_made_and_measured(backend, tmp_path):
    synthetic_rows(tmp_path, each=4)
    config = tmp_path / "tiny.yaml"
    values = {
        "name": "tiny",
        "version": "1",
        "architecture": "cnn_original",
        "index": str(tmp_path / "index.csv"),
        "input_size": 32,
        "epochs": 3,
        "batch_size": 4,
        "warmup_epochs": 1,
        "ema": 0.9,
    }
    config.write_text(yaml.safe_dump(values))
    made = tmp_path / "run"
    printed = run(backend, "manage.py", "train", str(config), "--run", str(made))
    assert printed.count("val_macro_auroc") == 3, "a line an epoch"
    with np.load(made / "predictions.npz") as stored:
        assert np.isfinite(stored["val_probabilities"]).all()
    facts = json.loads((made / "run.json").read_text())
    assert facts["metrics"]["test"]["n"] == 12
    # Taken up again it is done: nothing is trained anew.
    assert "val_macro_auroc" not in run(backend, "manage.py", "train", str(config), "--run", made)
