"""Images that a gate must refuse: radiographs turned, pictures made up, photographs, other bones.

Each names its group and the picture or patient it comes from; what comes from one source is
not independent. For choosing a limit and for reporting there are different ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIDE = 512
SYNTHETIC_OF_A_KIND = 12
CROPS = 6


@dataclass(frozen=True)
class Stranger:
    """``image`` is uint8 (H, W)."""

    group: str
    source: str
    image: np.ndarray


def turned(images: Sequence[np.ndarray], patients: Iterable[str]) -> Iterator[Stranger]:
    """Each radiograph upside down, and on its left and right side."""
    for image, patient in zip(images, patients, strict=True):
        yield Stranger("upside_down", str(patient), np.rot90(image, 2))
        yield Stranger("turned_left", str(patient), np.rot90(image))
        yield Stranger("turned_right", str(patient), np.rot90(image, -1))


def negatives(images: Sequence[np.ndarray], patients: Iterable[str]) -> Iterator[Stranger]:
    """Each radiograph with black and white exchanged, as a file that misstates which is which."""
    for image, patient in zip(images, patients, strict=True):
        yield Stranger("negative", str(patient), 255 - image)


def synthetic(*, seed: int) -> Iterator[Stranger]:
    """Blank images, noise (white, smooth, weak), gradients, and text on black."""
    random = np.random.default_rng(seed)
    makers = {
        "blank": _blank,
        "noise": _noise,
        "smooth_noise": _smooth_noise,
        "gradient": _gradient,
        "text": _text,
    }
    for group, make in makers.items():
        for place in range(SYNTHETIC_OF_A_KIND):
            yield Stranger(group, f"{group}-{seed}-{place}", make(random))


def _full_range(values: np.ndarray) -> np.ndarray:
    spread = max(float(np.ptp(values)), 1e-9)
    return ((values - values.min()) / spread * 255).astype(np.uint8)


def _blank(random: np.random.Generator) -> np.ndarray:
    return np.full((SIDE, SIDE), random.integers(256), np.uint8)


def _noise(random: np.random.Generator) -> np.ndarray:
    values = random.normal(random.uniform(60, 200), random.uniform(1, 80), (SIDE, SIDE))
    return np.clip(values, 0, 255).astype(np.uint8)


def _smooth_noise(random: np.random.Generator) -> np.ndarray:
    values = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    return _full_range(cv2.GaussianBlur(values, (0, 0), SIDE / random.uniform(8, 80)))


def _gradient(random: np.random.Generator) -> np.ndarray:
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return _full_range(rows * np.sin(angle) + columns * np.cos(angle))


def _text(random: np.random.Generator) -> np.ndarray:
    image = np.full((SIDE, SIDE), random.integers(40), np.uint8)
    letters = list("ABCDEFGHIJKLMNOPRSTUV 0123456789")
    for _line in range(random.integers(3, 14)):
        words = "".join(random.choice(letters, 12))
        corner = int(random.integers(SIDE // 2)), int(random.integers(20, SIDE))
        cv2.putText(image, words, corner, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.5, 2), 255, 2)
    return image


def photographs(*, first: bool) -> Iterator[Stranger]:
    """Colour photographs made grey, whole and in parts: scikit-learn's, or Matplotlib's.

    ``first`` are those for choosing (scikit-learn), the others for reporting.
    """
    random = np.random.default_rng(3)
    for name, image in _scikit_learn() if first else _matplotlib():
        yield Stranger("photograph", name, image)
        rows, columns = image.shape
        for _crop in range(CROPS):
            share = random.uniform(0.3, 0.9)
            height, width = int(share * rows), int(share * columns)
            top = random.integers(rows - height + 1)
            left = random.integers(columns - width + 1)
            yield Stranger("photograph", name, image[top : top + height, left : left + width])


def _scikit_learn() -> Iterator[tuple[str, np.ndarray]]:
    from sklearn.datasets import load_sample_images

    found = load_sample_images()
    for name, image in zip(found.filenames, found.images, strict=True):
        yield Path(name).name, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _matplotlib() -> Iterator[tuple[str, np.ndarray]]:
    from matplotlib.cbook import get_sample_data

    for name in ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png"):
        with get_sample_data(name, asfileobj=True) as file:
            content = np.frombuffer(file.read(), np.uint8)
        yield name, cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)


def real_strangers(folder: Path | None) -> Iterator[Stranger]:
    """The radiographs of other parts of the body in ``folder``, as rendered; those it can read."""
    from pneumoniapp.errors import CodedError
    from radiology.dicom.render import render

    for path in sorted(folder.glob("*.dcm")) if folder else ():
        try:
            image = render(path)
        except CodedError:
            continue
        # The same picture in several transfer syntaxes is one source.
        small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) // 32
        yield Stranger("other_body_part", small.tobytes().hex(), image)
