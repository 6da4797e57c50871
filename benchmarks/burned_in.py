"""How often the search for burned-in text is right, on rendered films and on text put into them.

    python -m benchmarks.burned_in ../shared/data/dicom/rsna [--crops FOLDER]

Of the films in the order of their names, those of even place served to choose the limits of
``radiology.burned_in``: only the others are measured. Films that are flagged as they are must be
looked at (``--crops`` writes what was found); text is put into the others.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import cv2
import numpy as np

HEIGHTS = (8, 10, 14, 20, 32, 48)
TEXTS = ("MARTIN JEANNE 1951-03-12", "Dupont, Marie", "DURAND PAUL M 12/04/1948", "ID 4471-882 F")
MARKERS = ("L", "R", "PA", "AP")
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
OPENCV = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
)  # fmt: skip
THICKNESS = (0.06, 0.1, 0.15)
# Text that differs so little from what is around it is hard to see for people too.
VISIBLE = 25


def stamp(text: str, height: int, rng: random.Random) -> np.ndarray:
    """``text`` as a mask, uint8, cut to its ink; ``height`` is that of its capitals."""
    truetype = _truetype()
    if truetype and rng.random() < 0.5:
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.truetype(rng.choice(truetype), round(height / 0.72))
        left, top, right, bottom = font.getbbox(text)
        image = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(image).text((-left, -top), text, 255, font)
        return np.asarray(image)
    font, thick = rng.choice(OPENCV), max(1, round(height * rng.choice(THICKNESS)))
    size = cv2.getFontScaleFromHeight(font, round(height * 4 / 3), thick)
    (wide, high), _base = cv2.getTextSize(text, font, size, thick)
    image = np.zeros((3 * high + 20, wide + 40), np.uint8)
    cv2.putText(image, text, (20, 2 * high), font, size, 255, thick, cv2.LINE_AA)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _truetype() -> list[str]:
    """Fonts that matplotlib brings along, where it is installed."""
    try:
        from matplotlib import get_data_path
    except ImportError:
        return []
    folder = Path(get_data_path()) / "fonts/ttf"
    names = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif")
    return [str(folder / f"{name}.ttf") for name in names]


def planted(
    film: np.ndarray, text: str, height: int, white: bool, rng: random.Random
) -> tuple[np.ndarray, bool]:
    """The film with the text near one of its corners, and whether a person could see it."""
    ink = stamp(text, height, rng)[: film.shape[0] - 24, : film.shape[1] - 24]
    down, right = rng.choice(CORNERS)
    top = film.shape[0] - 12 - ink.shape[0] if down else 12
    left = film.shape[1] - 12 - ink.shape[1] if right else 12
    place = np.s_[top : top + ink.shape[0], left : left + ink.shape[1]]
    film, share, colour = film.copy(), ink / 255, 255 if white else 0
    around = film[place].astype(float)
    film[place] = np.round(around * (1 - share) + colour * share)
    return film, bool((np.abs(around - colour) >= VISIBLE).mean() >= 0.5)


def wilson(hits: int, of: int) -> str:
    """A share with its 95% interval (Wilson, 1927), in percent."""
    if not of:
        return "-"
    z, p = 1.96, hits / of
    middle = (p + z * z / 2 / of) / (1 + z * z / of)
    half = z / (1 + z * z / of) * np.sqrt(p * (1 - p) / of + z * z / 4 / of / of)
    low, high = max(middle - half, 0), min(middle + half, 1)
    return f"{hits}/{of} = {100 * p:.0f}% ({100 * low:.0f}-{100 * high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crops", type=Path)
    asked = parser.parse_args()
    import django

    django.setup()
    from radiology.burned_in import text_suspected
    from radiology.dicom.render import render

    cv2.setNumThreads(1)
    films = [render(path) for path in sorted(asked.folder.rglob("*.dcm"))[1::2]]
    clean, took, flagged = [], [], []
    for film in films:
        began = time.perf_counter()
        lines = text_suspected(film)
        took.append(1000 * (time.perf_counter() - began))
        flagged += [(film, line) for line in lines]
        if not lines:
            clean.append(film)
    print(f"flagged as they are: {wilson(len(films) - len(clean), len(films))}")
    print(f"ms: median {np.median(took):.0f}, p95 {np.percentile(took, 95):.0f}")
    for number, (film, line) in enumerate(flagged if asked.crops else ()):
        top, left = max(0, line.top - 20), max(0, line.left - 20)
        asked.crops.mkdir(parents=True, exist_ok=True)
        crop = film[top : line.bottom + 20, left : line.right + 20]
        cv2.imwrite(str(asked.crops / f"{number}.png"), crop)
    rng = random.Random(8)
    for white in (True, False):
        for height in HEIGHTS:
            seen = [planted(film, rng.choice(TEXTS), height, white, rng) for film in clean]
            hits = [bool(text_suspected(film)) for film, _visible in seen]
            visible = [
                hit for hit, (_film, is_visible) in zip(hits, seen, strict=True) if is_visible
            ]
            print(
                f"{'white' if white else 'black'} {height} px: all {wilson(sum(hits), len(hits))}, "
                f"visible {wilson(sum(visible), len(visible))}"
            )
    for text in MARKERS:
        hits = [bool(text_suspected(planted(film, text, 40, True, rng)[0])) for film in clean]
        print(f"marker {text}: {wilson(sum(hits), len(hits))}")


if __name__ == "__main__":
    main()
