"""Figures of the laboratory's reports: one style, written as inline SVG.

A report is one HTML file (``ml_training/report.html`` is its frame) that loads nothing from
elsewhere. Colours tell apart for colour-blind readers (Okabe and Ito 2008; Tol 2021) and have
a contrast of 3 to 1 on white at least.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re

import cv2
import matplotlib as mpl
import numpy as np
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from radiology.dicom.render import shrunk

LABEL_COLOURS = {"normal": "#0072b2", "lung_opacity": "#d55e00", "not_normal": "#008f68"}
SPLIT_COLOURS = {"train": "#595959", "val": "#3182bd", "test": "#aa4499"}
SPLIT_NAMES = {"train": _("training"), "val": _("validation"), "test": _("test")}
# For series that are neither classes nor splits.
COLOURS = ("#0072b2", "#d55e00", "#008f68", "#aa4499", "#595959", "#9a7b00", "#332288", "#882255")

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#767676",
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "font.family": "sans-serif",
    "grid.color": "#e3e3e3",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


def style():
    """The context in which every figure is drawn, from its axes to :func:`svg`."""
    return mpl.rc_context(STYLE)


def new_figure(*, width: float = 7.2, height: float = 3.2) -> Figure:
    """An empty figure, in inches; call it within :func:`style`. pyplot is never used, so that
    no window system is asked for and nothing is kept."""
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    return figure


def svg(figure: Figure, label: str = "") -> SafeString:
    """``figure`` as an ``<svg>`` element to be put into a page; ``label`` is read aloud.

    The same figure gives the same text. Its ids can't meet those of another figure of the page.
    """
    out = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": "pneumoniapp"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:10]
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    text = re.sub(
        r' id="([^"]+)"',
        lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "",
        text,
    )
    text = re.sub(r'((?:url\(|href=")#)', rf"\g<1>{prefix}-", text)
    said = f'role="img" aria-label="{_attribute(label)}" ' if label else 'aria-hidden="true" '
    return mark_safe(text.replace("<svg ", f"<svg {said}", 1))  # noqa: S308 (our own figure)


def image_address(image: np.ndarray, *, max_side: int = 256, quality: int = 80) -> str:
    """``image`` (uint8, (H, W) or (H, W, 3) in BGR) as a ``data:`` address of a JPEG."""
    _ok, data = cv2.imencode(".jpg", shrunk(image, max_side), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _attribute(text: str) -> str:
    pairs = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;"}
    return "".join(pairs.get(letter, letter) for letter in str(text))
