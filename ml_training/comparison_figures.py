"""The figures of a comparison, in the style of ``plots``; texts in the active language."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from inference import metrics
from inference.models import LABELS

from .comparison import Comparison
from .comparison_candidates import Candidate
from .data_figures import label_name
from .plots import COLOURS, SPLIT_COLOURS, new_figure, style, svg

# Colour and dash together tell the models apart.
DASHES = ("-", "--", "-.", ":")
# A measure's columns of history.csv on training patients and on validation patients.
LEARNED = (
    ("loss", ("loss", "train_loss"), ("val_loss",)),
    ("accuracy", ("accuracy", "train_accuracy"), ("val_accuracy",)),
    ("macro_auroc", ("macro_auroc", "train_macro_auroc"), ("val_macro_auroc",)),
)


def measure_name(measure: str) -> str:
    """A measure of ``inference.metrics`` in words, without its class."""
    return {
        "accuracy": _("accuracy"),
        "mean_class_accuracy": _("mean class accuracy"),
        "macro_auroc": _("macro AUROC"),
        "macro_average_precision": _("macro average precision"),
        "ece": _("expected calibration error"),
        "brier": _("Brier score"),
        "auroc": _("AUROC"),
        "average_precision": _("average precision"),
        "class_accuracy": _("accuracy of “this class or not?”"),
        "sensitivity": _("sensitivity"),
        "specificity": _("specificity"),
        "ppv": _("positive predictive value"),
        "npv": _("negative predictive value"),
        # A plain text with a percent sign; xgettext:no-python-format
        "sensitivity_at_95_specificity": _("sensitivity at 95% specificity"),
        # A plain text with a percent sign; xgettext:no-python-format
        "specificity_at_95_sensitivity": _("specificity at 95% sensitivity"),
        "auroc_lung_opacity": _("AUROC of lung opacity"),
        "loss": _("loss"),
    }[measure]


def _look(number: int) -> dict:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def learning_figure(candidate: Candidate) -> SafeString | None:
    """Training against validation, epoch by epoch; None without a history."""
    rows = candidate.history

    def column(names: tuple[str, ...]) -> str | None:
        return next((n for n in names if any(n in row for row in rows)), None)

    shown = [(m, column(seen), column(kept)) for m, seen, kept in LEARNED]
    shown = [(m, seen, kept) for m, seen, kept in shown if seen or kept]
    if not shown:
        return None
    with style():
        figure = new_figure(height=2.7, width=3.2 * len(shown) if len(shown) > 1 else 4.4)
        for axes, (measure, seen, kept) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
        ):
            for name, split, dash in ((seen, "train", "--"), (kept, "val", "-")):
                if name is None:
                    continue
                points = [(r.get("epoch", i + 1), r[name]) for i, r in enumerate(rows) if name in r]
                axes.plot(
                    *zip(*points, strict=True),
                    dash,
                    color=SPLIT_COLOURS[split],
                    marker="o" if len(points) < 25 else None,
                    markersize=3,
                    label=_("training") if split == "train" else _("validation"),
                )
            axes.set_title(measure_name(measure))
            axes.set_xlabel(_("epoch"))
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        label = _("Learning curves of %(name)s") % {"name": candidate.name}
        return svg(figure, label)


def confusion_figure(comparison: Comparison) -> SafeString:
    """A table of counts for each model, shaded by the share of the true class."""
    found = [comparison.figures[c.name][comparison.split] for c in comparison.candidates]
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    with style():
        figure = new_figure(width=3.6 * columns if columns > 1 else 4.6, height=3.1 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        names = [textwrap.fill(label_name(label), 12) for label in LABELS]
        for axes, candidate, one in zip(grid, comparison.candidates, found, strict=False):
            counts = np.array(one["confusion"])
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for row, column in np.ndindex(counts.shape):
                axes.text(
                    column,
                    row,
                    f"{counts[row, column]}\n{shares[row, column]:.0%}",
                    ha="center",
                    va="center",
                    color="white" if shares[row, column] > 0.55 else "#1c2733",
                )
            axes.set_xticks(range(3), names)
            axes.set_yticks(range(3), names)
            axes.set_xlabel(_("read as"))
            axes.set_ylabel(_("label"))
            axes.set_title(candidate.name)
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        for axes in grid[len(found) :]:
            axes.set_axis_off()
        return svg(figure, _("Confusion matrices"))


def _by_class(comparison: Comparison, draw, xlabel: str, ylabel: str, label: str) -> SafeString:
    """Three panels, one a class, a line for each model; the legend gives each model's figure."""
    cases = comparison.cases[comparison.split]
    with style():
        figure = new_figure(width=9.6, height=4.2 + 0.16 * len(comparison.candidates))
        for index, axes in enumerate(figure.subplots(1, 3)):
            for number, candidate in enumerate(comparison.candidates):
                scores = candidate.probabilities[comparison.split][:, index]
                draw(axes, cases.truth == index, scores, candidate.name, number)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=xlabel)
            axes.set_box_aspect(1)
            if not index:
                axes.set_ylabel(ylabel)
            axes.set_title(label_name(LABELS[index]))
            axes.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.2))
        return svg(figure, label)


def roc_figure(comparison: Comparison) -> SafeString:
    def draw(axes, positive, scores, name, number):
        if not number:
            axes.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1)
        alarms, found, _thresholds = metrics.roc_curve(positive, scores)
        area = metrics.auroc(positive, scores)
        axes.plot(alarms, found, label=f"{name} {area:.3f}", **_look(number))

    return _by_class(
        comparison, draw, _("1 - specificity"), _("sensitivity"), _("ROC curves of each class")
    )


def pr_figure(comparison: Comparison) -> SafeString:
    def draw(axes, positive, scores, name, number):
        if not number:
            axes.axhline(positive.mean(), color="#b0b0b0", linewidth=1)
        found, precision, _thresholds = metrics.pr_curve(positive, scores)
        mean = metrics.average_precision(positive, scores)
        axes.step(found, precision, where="pre", label=f"{name} {mean:.3f}", **_look(number))

    return _by_class(
        comparison,
        draw,
        _("sensitivity"),
        _("positive predictive value"),
        _("Precision and sensitivity of each class"),
    )


def reliability_figure(comparison: Comparison) -> SafeString:
    """How often readings with a given certainty were right, with intervals; sizes beneath."""
    cases = comparison.cases[comparison.split]
    count = len(comparison.candidates)
    with style():
        figure = new_figure(width=3.4 * min(count, 3) if count > 1 else 4.2,
                            height=4.1 * math.ceil(count / 3))  # fmt: skip
        outer = figure.subfigures(math.ceil(count / 3), min(count, 3), squeeze=False).ravel()
        for number, (part, candidate) in enumerate(zip(outer, comparison.candidates, strict=False)):
            part.set_facecolor("white")
            probabilities = candidate.probabilities[comparison.split]
            right = probabilities.argmax(axis=1) == cases.truth
            curve = metrics.reliability_curve(right, probabilities.max(axis=1), cases.patients)
            said, so = [e["said"] for e in curve], np.array([e["so"] for e in curve])
            spans = np.array([e["interval_95"] for e in curve])
            upper, lower = part.subplots(2, 1, sharex=True, height_ratios=[4, 1])
            upper.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1)
            upper.errorbar(
                said, so, abs(spans.T - so), fmt="o", markersize=4, capsize=2, linewidth=1.2,
                color=COLOURS[number % len(COLOURS)],
            )  # fmt: skip
            ece = comparison.figures[candidate.name][comparison.split]["ece"]
            upper.set_title(f"{candidate.name}\nECE {ece:.3f}")
            upper.set(xlim=(0.3, 1.01), ylim=(-0.02, 1.02), ylabel=_("share right"))
            lower.bar(said, [e["n"] for e in curve], 0.06, color=COLOURS[number % len(COLOURS)])
            lower.set_xlabel(_("probability of the class that was read"))
            lower.set_ylabel(_("cases"))
        return svg(figure, _("Reliability of the probabilities"))


def subgroup_figure(comparison: Comparison, measure: str) -> SafeString | None:
    """A point and its interval for each subgroup and model; None when no group is large enough."""
    lines = [
        (row, by)
        for by, rows in comparison.subgroups.items()
        for row in rows
        if any(measure in found for found in row["figures"].values())
    ]
    if not lines:
        return None
    count = len(comparison.candidates)
    with style():
        figure = new_figure(height=0.9 + (0.22 + 0.11 * count) * len(lines))
        axes = figure.subplots()
        for number, candidate in enumerate(comparison.candidates):
            whole = comparison.figures[candidate.name][comparison.split].get(measure)
            if measure == "auroc_lung_opacity":
                whole = comparison.figures[candidate.name][comparison.split]["auroc"][
                    "lung_opacity"
                ]
            colour = COLOURS[number % len(COLOURS)]
            if whole is not None:
                axes.axvline(whole, color=colour, linewidth=1, linestyle=":", alpha=0.8)
            offset = (number - (count - 1) / 2) * 0.16
            for place, (row, _by) in enumerate(lines):
                if measure not in row["figures"][candidate.name]:
                    continue
                value, low, high = row["figures"][candidate.name][measure]
                axes.errorbar(
                    value, place + offset, xerr=[[value - low], [high - value]], fmt="o",
                    color=colour, markersize=4, capsize=2, linewidth=1.3,
                    label=candidate.name if not place else None,
                )  # fmt: skip
        names = [f"{group_name(by, row['name'])} ({row['n']})" for row, by in lines]
        axes.set_yticks(range(len(lines)), names)
        axes.invert_yaxis()
        axes.set_xlabel(measure_name(measure))
        axes.grid(axis="y", visible=False)
        if count > 1:
            handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
            axes.legend(
                handles.values(), handles.keys(), loc="lower left", bbox_to_anchor=(0, 1), ncols=2
            )
        label = _("%(measure)s of the subgroups") % {"measure": measure_name(measure)}
        return svg(figure, label)


def group_name(by: str, name: str) -> str:
    """A subgroup in words: "sex F", "age 40-59"."""
    heading = {"sex": _("sex"), "age": _("age"), "view": _("view"), "origin": _("origin")}[by]
    return f"{heading} {name or _('not known')}"


def growth_figure(growth: dict) -> SafeString:
    """Macro AUROC over the number of training patients, each series with its fitted law."""
    with style():
        figure = new_figure(height=3.6)
        axes = figure.subplots()
        for number, series in enumerate(growth["series"]):
            look = _look(number)
            sizes = [point["patients"] for point in series["points"]]
            axes.plot(
                sizes, [point["macro_auroc"] for point in series["points"]], "o", markersize=4,
                alpha=0.65, color=look["color"], label=series["name"],
            )  # fmt: skip
            law = series.get("law")
            if law:
                axes.plot(law["patients"], law["macro_auroc"], **look)
                axes.fill_between(
                    law["patients"], law["low"], law["high"], color=look["color"], alpha=0.13,
                    linewidth=0,
                )  # fmt: skip
        axes.axvline(growth["patients"], color="#767676", linewidth=1, linestyle=":")
        axes.text(
            growth["patients"], 0.02, " " + _("all patients at hand"),
            transform=axes.get_xaxis_transform(), fontsize=8, color="#51606f",
        )  # fmt: skip
        if growth.get("wanted"):
            axes.axhline(growth["wanted"], color="#767676", linewidth=1)
            axes.text(
                0.005, growth["wanted"], _("wanted"), transform=axes.get_yaxis_transform(),
                fontsize=8, color="#51606f", va="bottom",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(_("patients in the training data"))
        axes.set_ylabel(measure_name("macro_auroc"))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16))
        return svg(figure, _("Macro AUROC over the number of training patients"))


def mean_map_figure(name: str, activation: list[list[float]]) -> SafeString:
    """The mean map of the opacities of one model, cell by cell."""
    with style():
        figure = new_figure(width=2.9, height=2.6)
        axes = figure.subplots()
        image = axes.imshow(np.array(activation), cmap="viridis", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, shrink=0.85)
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        label = _("Mean activation map of %(name)s") % {"name": name}
        return svg(figure, label)
