"""The figures of the report about a dataset. Rows are those of ``datasets.read_rows``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from inference.models import LABELS, Label

from .datasets import age_of
from .plots import LABEL_COLOURS, SPLIT_COLOURS, SPLIT_NAMES, new_figure, style, svg

UNKNOWN_COLOUR = "#9a9a9a"


def label_name(label: str) -> str:
    return str(Label(label).label) if label in LABELS else label or _("none")


def split_name(split: str) -> str:
    return str(SPLIT_NAMES.get(split, split or _("no split")))


def value_name(value: str) -> str:
    return value or _("not known")


def class_figure(rows: list[dict], labels: Sequence[str], splits: Sequence[str]) -> SafeString:
    """How many images of each class each split has."""
    with style():
        figure = new_figure(height=2.9)
        axes = figure.subplots()
        width = 0.8 / len(splits)
        counts = Counter((row["split"], row["label"]) for row in rows)
        for number, split in enumerate(splits):
            places = np.arange(len(labels)) + (number - (len(splits) - 1) / 2) * width
            bars = axes.bar(
                places,
                [counts[split, label] for label in labels],
                width * 0.92,
                color=SPLIT_COLOURS.get(split, UNKNOWN_COLOUR),
                label=split_name(split),
            )
            axes.bar_label(bars, padding=2, fontsize=8)
        axes.set_xticks(range(len(labels)), [label_name(label) for label in labels])
        axes.set_ylabel(_("images"))
        axes.grid(axis="x", visible=False)
        axes.margins(y=0.12)
        if len(splits) > 1:
            axes.legend(loc="upper right", ncols=len(splits), bbox_to_anchor=(1, 1.14))
        return svg(figure, _("Images of each class in each split"))


def age_figure(rows: list[dict], labels: Sequence[str]) -> SafeString:
    """The ages of each class, in bands of five years, as a share of the class."""
    with style():
        figure = new_figure(height=2.8)
        axes = figure.subplots()
        edges = np.arange(0, 106, 5)
        for label in labels:
            ages = np.array([age_of(row) for row in rows if row["label"] == label])
            ages = ages[np.isfinite(ages)]
            if not len(ages):
                continue
            share = np.histogram(np.minimum(ages, 102), edges)[0] * 100 / len(ages)
            axes.stairs(
                share, edges, color=LABEL_COLOURS.get(label), label=label_name(label), lw=1.8
            )
        axes.set_xlabel(_("age in years"))
        axes.set_ylabel(_("% of the class"))
        axes.set_xlim(0, 105)
        axes.legend()
        return svg(figure, _("Ages by class"))


def shares_figure(
    rows: list[dict], column: str, labels: Sequence[str], values: Sequence[str], title: str
) -> SafeString:
    """Of which classes the images of each value of ``column`` are: one bar a value, 100% each."""
    counts = Counter((row[column], row["label"]) for row in rows)
    totals = {value: sum(counts[value, label] for label in labels) for value in values}
    with style():
        figure = new_figure(height=0.75 + 0.3 * len(values))
        axes = figure.subplots()
        left = np.zeros(len(values))
        for label in labels:
            shares = np.array([100 * counts[value, label] / totals[value] for value in values])
            axes.barh(
                range(len(values)),
                shares,
                0.72,
                left=left,
                color=LABEL_COLOURS.get(label, UNKNOWN_COLOUR),
                label=label_name(label),
            )
            for place, (start, share) in enumerate(zip(left, shares, strict=True)):
                if share >= 6:
                    axes.text(
                        start + share / 2,
                        place,
                        f"{share:.0f}",
                        ha="center",
                        va="center",
                        color="white",
                        fontsize=8,
                    )
            left += shares
        axes.set_yticks(
            range(len(values)), [f"{value_name(value)} ({totals[value]})" for value in values]
        )
        axes.set_ylim(len(values) - 0.45, -0.55)
        axes.set_xlim(0, 100)
        axes.set_xlabel(_("% of the images"))
        axes.grid(visible=False)
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(labels)
        )
        return svg(figure, title)
