"""Which layer of a served network tells a chest from what is none, by validation images alone.

    python -m benchmarks.gate_layers inference/shipped/mobilenetv2-3 ../shared/data/rsna/index.csv

The limit is what 1.5% of the validation radiographs of four fifths of the patients exceed; the
last fifth, and what must be refused (its radiographs turned, photographs, images made up), are
held against it. No test image is read. The features are kept in ``--features``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import django
import numpy as np

FOLDS = 5
BATCH = 16
LAYERS = (
    "block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_13_project_BN",
    "block_15_add", "block_16_project_BN",
)  # fmt: skip
STRANGERS = ("upside_down", "turned_left", "turned_right", "photograph", "synthetic")


def extract(folder: Path, index: Path, out: Path) -> None:
    """Pooled features of every layer and of the last map, by group of images."""
    import keras

    from inference.model_input import model_input
    from ml_training.datasets import read_dataset
    from ml_training.strangers import photographs, synthetic, turned

    model = keras.models.load_model(folder / "model.keras", compile=False)
    backbone = model.get_layer("backbone")
    pooled = [keras.layers.GlobalAveragePooling2D()(backbone.get_layer(n).output) for n in LAYERS]
    last = keras.layers.GlobalAveragePooling2D()(backbone.output)
    inner = keras.Model(backbone.input, [*pooled, last])
    image = scaled = keras.Input(model.input.shape[1:])
    for layer in model.layers[1 : [layer.name for layer in model.layers].index("backbone")]:
        scaled = layer(scaled)
    network = keras.Model(image, inner(scaled, training=False))
    kernel, bias = model.get_layer("classifier").get_weights()

    splits = read_dataset(index).splits
    val = splits["val"]
    groups = {"train": splits["train"].images, "val": val.images}
    for stranger in turned(val.images, val.patients):
        groups.setdefault(stranger.group, []).append(stranger.image)
    groups["photograph"] = [stranger.image for stranger in photographs(first=True)]
    groups["synthetic"] = [stranger.image for stranger in synthetic(seed=1)]
    arrays = {"val_patients": val.patients}
    for group, images in groups.items():
        found = []
        for start in range(0, len(images), BATCH):
            batch = [model_input(one, image.shape[1]) for one in images[start : start + BATCH]]
            found.append([np.asarray(layer) for layer in network(np.stack(batch))])
        for name, parts in zip((*LAYERS, "last"), zip(*found, strict=True), strict=True):
            arrays[f"{group}/{name}"] = np.concatenate(parts)
        arrays[f"{group}/logits"] = arrays[f"{group}/last"] @ kernel + bias
        print(group, len(images), flush=True)
    np.savez(out, **arrays)


def scores(stored) -> dict[str, dict[str, np.ndarray]]:
    """Every way to judge: the score, larger is stranger, of each group's images."""
    from ml_training.gate import fit_gate

    groups = ("train", "val", *STRANGERS)
    ways = {}
    for name in (*LAYERS, "last"):
        features = {group: stored[f"{group}/{name}"].astype(np.float64) for group in groups}
        for directions in (32, 64):
            gate = fit_gate(features["train"], directions=directions)
            ways[f"{name}, {directions} directions"] = {
                group: gate.distance(found) for group, found in features.items()
            }
    unit = {
        group: stored[f"{group}/last"]
        / np.maximum(np.linalg.norm(stored[f"{group}/last"], axis=1, keepdims=True), 1e-9)
        for group in groups
    }
    ways["last, 10th nearest by cosine"] = {
        group: -np.sort(found @ unit["train"].T, axis=1)[:, -10] for group, found in unit.items()
    }
    ways["logits, energy"] = {
        group: -np.logaddexp.reduce(stored[f"{group}/logits"], axis=1) for group in groups
    }
    return ways


def limit_of(known: np.ndarray) -> float:
    """What 1.5% of the known exceed."""
    return float(np.sort(known)[int(np.ceil(len(known) * 0.985)) - 1])


def judge(stored) -> None:
    patients = np.unique(stored["val_patients"])
    np.random.default_rng(0).shuffle(patients)
    folds = {name: place % FOLDS for place, name in enumerate(patients)}
    fold = np.array([folds[name] for name in stored["val_patients"]])
    print("share refused:", "val", *STRANGERS, "| 2% of the nearest group, in limits")
    for way, score in scores(stored).items():
        refused: dict[str, list] = {group: [] for group in ("val", *STRANGERS)}
        for held in range(FOLDS):
            limit = limit_of(score["val"][fold != held])
            for group, found in refused.items():
                here = score[group]
                found.append((here[fold == held] if len(here) == len(fold) else here) > limit)
        shares = [f"{100 * np.concatenate(found).mean():.1f}%" for found in refused.values()]
        nearest = min(np.quantile(score[group], 0.02) for group in STRANGERS)
        limit = limit_of(score["val"])
        room = f"{nearest / limit:.2f}" if limit > 0 else "-"
        print(f"{way}:", *shares, "|", room)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--features", type=Path, default=Path("gate_features.npz"))
    arguments = parser.parse_args()
    django.setup()
    if not arguments.features.is_file():
        extract(arguments.model, arguments.index, arguments.features)
    with np.load(arguments.features) as stored:
        judge(dict(stored))


if __name__ == "__main__":
    main()
