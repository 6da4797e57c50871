"""How good a network becomes with more patients to learn from: measured, fitted, continued.

Three ways to measure it: the last layer refitted on the features of an exported network, or on
those of a frozen backbone, and whole trainings of a configuration. A power law of the number
of patients is fitted to what they reach (Hestness et al., *Deep Learning Scaling is
Predictable, Empirically*, 2017).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inference import metrics
from inference.resampling import percentiles, resample

from .cases import Cases, order_of
from .config import data_folder
from .datasets import index_file
from .served import ServedNetwork, read_image

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SEEDS = 5
# Penalties of the refitted layer (scikit-learn's C), chosen on validation patients.
STRENGTHS = (1e-4, 1e-3, 1e-2)
FITS = 200
AHEAD = (2, 4, 10)


@dataclass
class Point:
    """One training: ``probabilities`` float (n, 3) of the cases it is judged on."""

    patients: int
    images: int
    seed: int
    probabilities: np.ndarray


def some_patients(patients: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which cases, bool (n,), belong to ``share`` of the patients, drawn with ``seed``.

    The patients of a smaller share are among those of a larger one with the same seed.
    """
    names = np.unique(patients)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.isin(patients, names[order[: max(1, round(share * len(names)))]])


def plan(shares: tuple[float, ...], seeds: int) -> list[tuple[float, int]]:
    """Share and seed of every training; all the patients are the same whatever the seed."""
    return [(share, seed) for share in sorted(shares) for seed in range(seeds if share < 1 else 1)]


def refit(
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    judged: np.ndarray,
) -> np.ndarray:
    """Probabilities, float (n, 3), of ``judged`` features by a last layer fitted to ``train``.

    ``train`` and ``val`` are features (m, channels) and truth (m,). Logistic regression,
    classes weighted alike; its penalty is the best on ``val`` by macro AUROC.
    """
    from sklearn.linear_model import LogisticRegression

    features, truth = train
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1)

    def scaled(some: np.ndarray) -> np.ndarray:
        return (some - middle) / spread

    best, chosen = -1.0, None
    for strength in STRENGTHS:
        layer = LogisticRegression(C=strength, max_iter=2000, tol=1e-3, class_weight="balanced")
        layer.fit(scaled(features), truth)
        reached = metrics.macro_auroc(val[1], _all_classes(layer, scaled(val[0])))
        if chosen is None or reached > best:
            best, chosen = reached, layer
    return _all_classes(chosen, scaled(judged))


def _all_classes(layer, features: np.ndarray) -> np.ndarray:
    found = np.zeros((len(features), 3))
    found[:, layer.classes_] = layer.predict_proba(features)
    return found


def refit_points(
    features: dict[str, np.ndarray],
    cases: dict[str, Cases],
    *,
    split: str,
    shares: tuple[float, ...] = SHARES,
    seeds: int = SEEDS,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[Point]:
    """Refit the last layer on parts of the training patients; ``features`` by split."""
    points = []
    train, val = cases["train"], cases["val"]
    for share, seed in plan(shares, seeds):
        chosen = some_patients(train.patients, share, seed)
        if len(np.unique(train.truth[chosen])) < 2:
            continue
        say(f"{share:.3g} of the patients, seed {seed}: {chosen.sum()} radiographs")
        probabilities = refit(
            (features["train"][chosen], train.truth[chosen]),
            (features["val"], val.truth),
            features[split],
        )
        size = len(np.unique(train.patients[chosen]))
        points.append(Point(size, int(chosen.sum()), seed, probabilities))
    return points


def served_features(folder: Path, cases: dict[str, Cases]) -> dict[str, np.ndarray]:
    """Pooled features of an exported network, float32 (n, channels) by split."""
    network = ServedNetwork(folder)
    return {
        split: network.outputs(read_image(Path(path)) for path in part.files).features
        for split, part in cases.items()
    }


def backbone_features(config, cases: dict[str, Cases]) -> dict[str, np.ndarray]:
    """Pooled features of the backbone of ``config`` as its weights come, nothing learned here."""
    import keras

    from inference.model_input import model_input

    from .architectures import POOLING, build

    model = build(config.architecture, weights=config.weights_source)
    pooled = keras.Model(model.input, model.get_layer(POOLING).output)
    side = model.input.shape[1]
    found = {}
    for split, part in cases.items():
        rows = []
        for start in range(0, len(part), 64):
            images = [
                model_input(read_image(Path(p)), side) for p in part.files[start : start + 64]
            ]
            rows.append(pooled.predict(np.stack(images), batch_size=32, verbose=0))
        found[split] = np.concatenate(rows)
    return found


def trained_points(
    config,
    cases: dict[str, Cases],
    out: Path,
    *,
    split: str,
    shares: tuple[float, ...] = SHARES,
    seeds: int = SEEDS,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[Point]:
    """Train ``config`` on parts of the patients, each in a run folder under ``out``.

    The patients, and the images that are counted, are those of its lung-masked radiographs too.
    A part is gone through more often, so that every run learns for as many steps as the whole
    one: otherwise the small ones would have learned too little, not from too few.
    A run that has its predictions is not done again, so that an interrupted curve goes on.
    """
    from .comparison_candidates import predict_missing, read_candidate
    from .training import train

    points = []
    index = index_file(config.index_path)
    masked = index_file(data_folder() / config.masked_index) if config.masked_index else None
    patients = everyone(cases["train"], masked)
    for share, seed in plan(shares, seeds):
        chosen = some_patients(patients, share, seed)
        kept = set(patients[chosen].tolist())
        run = out / f"{config.name}-{share:.4g}-seed{seed}"
        changes = {"index": str(run / "index.csv"), "seed": config.seed + seed}
        changes |= {
            name: round(getattr(config, name) / share)
            for name in ("epochs", "patience", "warmup_epochs")
        }
        run.mkdir(parents=True, exist_ok=True)
        part_of_index(index, run / "index.csv", kept)
        if masked:
            part_of_index(masked, run / "masked.csv", kept)
            changes["masked_index"] = str(run / "masked.csv")
        if not (run / "predictions.npz").is_file() and not (run / "model/facts.json").is_file():
            say(f"training on {share:.3g} of the patients, seed {seed}")
            train(replace(config, **changes), run)
        candidate = read_candidate(run)
        predict_missing(candidate, cases)
        order = order_of(cases[split].ids, candidate.ids[split])
        points.append(Point(len(kept), int(chosen.sum()), seed, candidate.raw[split][order]))
    return points


def everyone(train: Cases, masked: Path | None) -> np.ndarray:
    """The patient of each training image, str (n,): whole ones, then those of ``masked``."""
    if masked is None:
        return train.patients
    with masked.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return np.array([*train.patients, *(row[_patient_column(rows)] for row in rows)])


def _patient_column(rows: list[dict]) -> str:
    return "patient" if "patient" in rows[0] else "nih_patient"


def part_of_index(index: Path, out: Path, kept: set[str]) -> None:
    """Write the rows of ``index`` but those of training patients who are not in ``kept``."""
    with index.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    column = _patient_column(rows)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            if row.get("split", "train") == "train" and row[column] not in kept:
                continue
            writer.writerow(row | {"file": str((index.parent / row["file"]).resolve())})


# The law.


def law(patients: np.ndarray, limit: float, scale: float, power: float) -> np.ndarray:
    """``limit - scale * patients ** -power``."""
    return limit - scale * patients**-power


def fit_law(patients: np.ndarray, reached: np.ndarray) -> tuple[float, float, float] | None:
    """Limit (at most 1), scale and power of the law closest to ``reached``; None without four
    different sizes. Soft-L1 loss, so that one bad seed does not decide."""
    from scipy.optimize import least_squares

    if len(np.unique(patients)) < 4:
        return None
    best = None
    for power in (0.2, 0.5, 1.0):
        limit = min(float(reached.max()) + 0.02, 0.999)
        scale = max((limit - float(reached.min())) * float(patients.min()) ** power, 1e-3)
        found = least_squares(
            lambda p: law(patients, *p) - reached,
            (limit, min(scale, 99.0), power),
            bounds=((0.5, 0.0, 0.05), (1.0, 100.0, 2.0)),
            loss="soft_l1",
            f_scale=0.02,
        )
        if best is None or found.cost < best.cost:
            best = found
    return tuple(float(value) for value in best.x)


def series(
    name: str, points: list[Point], judged: Cases, *, note: str = "", seed: int = 42
) -> dict:
    """What ``learning_curve.json`` keeps of one way of measuring: its points, their means by
    size, and the fitted ``law`` with its 95% band and its continuation.

    The band comes from fits to resamples: the judged patients drawn anew (the same for all
    points) and the seeds of each size drawn anew.
    """
    truth = judged.truth
    reached = np.array([metrics.macro_auroc(truth, point.probabilities) for point in points])
    sizes = np.array([point.patients for point in points], float)
    result = {
        "name": name,
        "note": note,
        "points": [
            {
                "patients": point.patients,
                "images": point.images,
                "seed": point.seed,
                "macro_auroc": float(value),
                "auroc": metrics.class_aurocs(truth, point.probabilities),
                "accuracy": metrics.accuracy(truth, point.probabilities),
            }
            for point, value in zip(points, reached, strict=True)
        ],
        "means": [
            {
                "patients": int(size),
                "images": round(np.mean([p.images for p in points if p.patients == size])),
                "mean": float(reached[sizes == size].mean()),
                "lowest": float(reached[sizes == size].min()),
                "highest": float(reached[sizes == size].max()),
                "seeds": int((sizes == size).sum()),
            }
            for size in np.unique(sizes)
        ],
    }
    fitted = fit_law(sizes, reached)
    if fitted is None:
        return result
    largest = sizes.max()
    grid = np.geomspace(sizes.min(), largest * max(AHEAD), 60)
    ahead = np.array([largest, *(largest * times for times in AHEAD)])
    random = np.random.default_rng(seed)
    drawn = []
    weights = np.concatenate(list(resample(judged.patients, samples=FITS, seed=seed)))
    by_weights = np.stack([metrics.macro_auroc(truth, p.probabilities, weights) for p in points])
    for sample in range(FITS):
        chosen = np.concatenate(
            [random.choice(np.flatnonzero(sizes == size), (sizes == size).sum())
             for size in np.unique(sizes)]
        )  # fmt: skip
        values = by_weights[chosen, sample]
        if np.isnan(values).any():
            continue
        again = fit_law(sizes[chosen], values)
        drawn.append(np.r_[law(grid, *again), law(ahead, *again)])
    low, high = np.array([percentiles(column) for column in np.array(drawn).T]).T
    result["law"] = {
        "limit": fitted[0],
        "scale": fitted[1],
        "power": fitted[2],
        "patients": grid.tolist(),
        "macro_auroc": law(grid, *fitted).tolist(),
        "low": low[: len(grid)].tolist(),
        "high": high[: len(grid)].tolist(),
        "ahead": [
            {
                "patients": round(size),
                "macro_auroc": float(law(size, *fitted)),
                "low": float(low[len(grid) + place]),
                "high": float(high[len(grid) + place]),
            }
            for place, size in enumerate(ahead)
        ],
    }
    return result
