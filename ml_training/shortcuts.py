"""Does the network read what goes with the label instead of the disease?

Three measurements: can the origin of an image be told from the network's last features better
than from the label alone; do the readings change when corners and burned-in letters are
covered; do they change when an image is resampled as some origins of the data were.

Geirhos et al., *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2020;
Zech et al., *Variable generalization performance...*, PLoS Medicine 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from inference import metrics
from inference.certainty import calibrate
from inference.models import LABELS
from inference.resampling import paired_differences, percentiles, resample
from radiology.dicom.render import shrunk

from .served import ServedNetwork

# An origin with fewer cases or patients than this is left out of the probe.
FEWEST_CASES, FEWEST_PATIENTS = 20, 10
FOLDS = 5
# Of the features a probe sees: enough for nearly all variance, few enough for seconds.
DIRECTIONS = 256
# Penalties tried (scikit-learn's C); the probe that tells most counts: it is the worst case.
STRENGTHS = (1e-4, 1e-3, 1e-2)
# Side of a covered corner, as a share of the image's.
CORNER = 1 / 6
# Where letters are looked for: this far from an edge, as a share of the side.
FRAME = 0.3


# Can the origin be told?


def origin_probe(
    features: np.ndarray,
    truth: np.ndarray,
    origins: np.ndarray,
    patients: np.ndarray,
    *,
    seed: int = 42,
) -> dict | None:
    """How well a linear probe tells the origin, from the features against the label alone.

    ``features`` float (n, channels), ``truth`` int (n,), ``origins`` and ``patients`` (n,).
    Probes are logistic regressions, each case judged by one that saw none of its patient's
    images. Figures are mean one-vs-rest AUROC over the origins, 0.5 being chance:

    - ``label``, ``features``, ``both``: what each tells, with ``intervals_95``;
    - ``gain``: ``both`` less ``label``, what the features tell of the origin that the label
      does not, with ``gain_interval_95``;
    - ``by_origin``: the same for each origin against the others.

    None when fewer than two origins have cases enough.
    """
    kept, counts = [], {}
    for origin in np.unique(origins):
        here = origins == origin
        if here.sum() >= FEWEST_CASES and len(np.unique(patients[here])) >= FEWEST_PATIENTS:
            kept.append(str(origin))
            counts[str(origin)] = int(here.sum())
    if len(kept) < 2:
        return None
    inside = np.isin(origins, kept)
    target = np.searchsorted(kept, origins[inside])
    onehot = np.eye(len(LABELS))[truth[inside]]
    scaled = _main_directions(_standardised(features[inside]))
    groups = patients[inside]

    def mean_auroc(scores: np.ndarray, weights: np.ndarray | None = None):
        each = [
            metrics.auroc(target == place, scores[:, place], weights) for place in range(len(kept))
        ]
        return np.mean(each, axis=0)

    def most_telling(inputs: np.ndarray) -> np.ndarray:
        found = [_told(inputs, target, groups, seed, strength) for strength in STRENGTHS]
        return max(found, key=mean_auroc)

    told = {
        "label": _told(onehot, target, groups, seed, 1.0),
        "features": most_telling(scaled),
        # The label as large as all features together, so that the penalty lets it speak.
        "both": most_telling(np.c_[scaled, onehot * np.sqrt(features.shape[1])]),
    }
    drawn: dict[str, list] = {name: [] for name in told}
    for weights in resample(groups):
        for name, scores in told.items():
            drawn[name].append(mean_auroc(scores, weights))
    values = {name: np.concatenate(parts) for name, parts in drawn.items()}
    result: dict = {name: float(mean_auroc(scores)) for name, scores in told.items()}
    result["intervals_95"] = {name: percentiles(value) for name, value in values.items()}
    result["gain"] = result["both"] - result["label"]
    result["gain_interval_95"] = percentiles(values["both"] - values["label"])
    result["over_label"] = result["features"] - result["label"]
    result["over_label_interval_95"] = percentiles(values["features"] - values["label"])
    result["by_origin"] = {
        origin: {
            "n": counts[origin],
            **{
                name: float(metrics.auroc(target == place, scores[:, place]))
                for name, scores in told.items()
            },
        }
        for place, origin in enumerate(kept)
    }
    result["n"] = int(inside.sum())
    result["left_out"] = int((~inside).sum())
    return result


def _standardised(features: np.ndarray) -> np.ndarray:
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _main_directions(features: np.ndarray) -> np.ndarray:
    """The same cases along their ``DIRECTIONS`` of largest variance, float (n, directions)."""
    left, sizes, _right = np.linalg.svd(features, full_matrices=False)
    return (left * sizes)[:, :DIRECTIONS]


def _told(
    inputs: np.ndarray, target: np.ndarray, groups: np.ndarray, seed: int, strength: float
) -> np.ndarray:
    """Probability of each origin, float (n, origins), each case by a probe of other patients.

    ``strength`` is scikit-learn's C, the inverse of the L2 penalty: small for many features.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.zeros((len(target), target.max() + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(inputs, target, groups):
        probe = LogisticRegression(C=strength, max_iter=2000, tol=1e-3, class_weight="balanced")
        probe.fit(inputs[train], target[train])
        found[np.ix_(test, probe.classes_)] = probe.predict_proba(inputs[test])
    return found


# Do the readings hang on what is not anatomy?


def cover_corners(image: np.ndarray, share: float = CORNER) -> np.ndarray:
    """``image``, uint8 (H, W), each corner (``share`` of the sides) filled with the median grey
    of the rim where it meets the rest: no lung lies there, a side marker or a clinic's name may."""
    covered = image.copy()
    rows, columns = image.shape
    high, wide = max(1, round(rows * share)), max(1, round(columns * share))
    for top in (True, False):
        for left in (True, False):
            across = slice(0, high) if top else slice(rows - high, rows)
            along = slice(0, wide) if left else slice(columns - wide, columns)
            inner_row = min(high, rows - 1) if top else max(rows - high - 1, 0)
            inner_column = min(wide, columns - 1) if left else max(columns - wide - 1, 0)
            rim = np.r_[image[inner_row, along], image[across, inner_column]]
            covered[across, along] = np.median(rim)
    return covered


def letters(image: np.ndarray) -> np.ndarray:
    """Where burned-in letters and side markers probably are, bool (H, W).

    Small, bright, thin structures (white top-hat above 60 grey levels, brighter than 99% of
    the image or 200) near an edge of the image, by connected components: none larger than an
    eighth of the side. Ribs and vessels are wider, softer or further in.
    """
    side = min(image.shape)
    kernel = np.ones((max(3, side // 24),) * 2, np.uint8)
    thin = cv2.morphologyEx(image, cv2.MORPH_TOPHAT, kernel)
    bright = image >= max(200, int(np.percentile(image, 99)))
    candidates = ((thin > 60) & bright).astype(np.uint8)
    # Strokes of one letter, letters of one word.
    joined = cv2.dilate(candidates, np.ones((max(3, side // 100),) * 2, np.uint8))
    count, marks, stats, centres = cv2.connectedComponentsWithStats(joined)
    found = np.zeros(image.shape, bool)
    rows, columns = image.shape
    for place in range(1, count):
        _left, _top, wide, high, area = stats[place]
        x, y = centres[place]
        to_edge = min(x / columns, 1 - x / columns, y / rows, 1 - y / rows)
        if max(wide, high) <= side / 8 and area >= 9 and to_edge <= FRAME:
            found |= marks == place
    return found


def cover_letters(image: np.ndarray) -> np.ndarray:
    """``image`` with :func:`letters` painted over from around them (Telea 2004)."""
    where = letters(image).astype(np.uint8)
    if not where.any():
        return image
    return cv2.inpaint(image, where, 3, cv2.INPAINT_TELEA)


def cover_marks(image: np.ndarray) -> np.ndarray:
    """``image`` with its letters and its corners covered."""
    return cover_corners(cover_letters(image))


def cover_lungs(image: np.ndarray, share: float = CORNER) -> np.ndarray:
    """The control: as much area as :func:`cover_corners`, but two bands where the lungs are."""
    covered = image.copy()
    rows, columns = image.shape
    high, wide = round(2 * rows * share), round(columns * share)
    top = round(rows * 0.3)
    for left in (round(columns * 0.2), round(columns * 0.8) - wide):
        part = covered[top : top + high, left : left + wide]
        part[:] = np.median(part)
    return covered


def round_trip(image: np.ndarray, side: int = 299) -> np.ndarray:
    """``image`` reduced to ``side`` pixels at its longest and enlarged again: the traces of the
    copies at 299 pixels. An image that is no larger stays as it is."""
    rows, columns = image.shape
    if max(rows, columns) <= side:
        return image
    return cv2.resize(shrunk(image, side), (columns, rows), interpolation=cv2.INTER_CUBIC)


def compress(image: np.ndarray, quality: int = 50) -> np.ndarray:
    """``image`` through a JPEG of this ``quality``."""
    _ok, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "corners": cover_corners,
    "letters": cover_letters,
    "marks": cover_marks,
    "lungs": cover_lungs,
    "round_trip": round_trip,
    "compress": compress,
}


def change_effects(
    network: ServedNetwork,
    images: list[np.ndarray],
    truth: np.ndarray,
    patients: np.ndarray,
    before: np.ndarray,
) -> dict[str, dict]:
    """What each of ``CHANGES`` does to the readings of ``images`` (uint8 (H, W) each).

    ``before`` is float (n, 3), the calibrated probabilities of the images as they are. For
    each change: ``changed_images`` (how many are not the same afterwards), ``mean_change``
    (mean absolute change of the three probabilities), ``opacity_shift`` (mean signed change
    of the probability of an opacity), ``other_class`` (share of images read as another class
    afterwards) and its ``intervals_95``, ``macro_auroc`` after, and ``auroc_change``, after
    less before, paired.
    """
    temperature = float(network.facts["calibration"]["temperature"])
    result = {}
    for name, change in CHANGES.items():
        altered = [change(image) for image in images]
        after = calibrate(network.outputs(altered).raw, temperature)
        result[name] = effect(before, after, truth, patients) | {
            "changed_images": sum(
                not np.array_equal(one, other) for one, other in zip(images, altered, strict=True)
            )
        }
    return result


def effect(before: np.ndarray, after: np.ndarray, truth: np.ndarray, patients: np.ndarray) -> dict:
    """The difference between two sets of probabilities (n, 3) of the same cases; the figures
    of :func:`change_effects`."""
    opacity = LABELS.index("lung_opacity")
    by_case = {
        "mean_change": abs(after - before).mean(axis=1),
        "opacity_shift": (after - before)[:, opacity],
        "other_class": (after.argmax(axis=1) != before.argmax(axis=1)).astype(float),
    }
    drawn: dict[str, list] = {name: [] for name in by_case}
    for weights in resample(patients):
        for name, values in by_case.items():
            drawn[name].append(weights @ values / weights.sum(axis=1))
    (gap,) = paired_differences(
        {"macro_auroc": metrics.macro_auroc}, truth, before, after, patients
    ).values()
    return {name: float(values.mean()) for name, values in by_case.items()} | {
        "intervals_95": {name: percentiles(np.concatenate(parts)) for name, parts in drawn.items()},
        "macro_auroc": metrics.macro_auroc(truth, after),
        "auroc_change": gap,
    }
