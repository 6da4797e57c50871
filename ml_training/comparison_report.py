"""A comparison as one self-contained HTML file, in the active language, and as JSON."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
from django.template.loader import render_to_string
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from inference import metrics
from inference.models import LABELS

from . import comparison_figures as figures
from .comparison import PAIRED, SMALLEST_CLASS, SMALLEST_GROUP, Comparison
from .comparison_candidates import SPLITS
from .data_figures import label_name, split_name
from .localisation import OPACITY
from .shortcuts import CORNER

# What a probe may tell more of the origin than the label does, in AUROC, before it is said.
TOLERATED_GAIN = 0.05


def figures_of(comparison: Comparison) -> dict:
    """Every number of the comparison, JSON-ready, by candidate."""
    found = {
        candidate.name: {
            "architecture": candidate.architecture,
            "temperature": candidate.temperature,
            **comparison.figures[candidate.name],
            "cost": comparison.costs[candidate.name],
            "shortcuts": comparison.shortcuts.get(candidate.name),
            "localisation": comparison.localisation.get(candidate.name),
        }
        for candidate in comparison.candidates
    }
    return metrics.json_ready(
        {
            "split": comparison.split,
            "candidates": found,
            "subgroups": comparison.subgroups,
            "pairs": comparison.pairs,
            "learning_curve": comparison.growth,
        }
    )


def render(comparison: Comparison) -> str:
    """The report as HTML."""
    cases = comparison.cases[comparison.split]
    first = comparison.candidates[0]
    context = {
        "names": [candidate.name for candidate in comparison.candidates],
        "split": split_name(comparison.split),
        "n": len(cases),
        "patients": len(np.unique(cases.patients)),
        "counts": [
            {"label": label_name(label), "n": int((cases.truth == index).sum())}
            for index, label in enumerate(LABELS)
        ],
        "left_out": comparison.left_out,
        "made_on": date_format(datetime.now(UTC), "DATE_FORMAT"),
        "models": [_model(comparison, candidate) for candidate in comparison.candidates],
        "data": first.facts.get("data", {}),
        "overall": _overall_rows(comparison, comparison.split),
        "by_class": _class_rows(comparison),
        "other": [
            {"name": split_name(split), "rows": _overall_rows(comparison, split)}
            for split in SPLITS
            if split != comparison.split
        ],
        "learning": [
            {"name": candidate.name, "figure": figures.learning_figure(candidate)}
            for candidate in comparison.candidates
        ],
        "confusion_figure": figures.confusion_figure(comparison),
        "roc_figure": figures.roc_figure(comparison),
        "pr_figure": figures.pr_figure(comparison),
        "reliability_figure": figures.reliability_figure(comparison),
        "subgroup_figures": [
            figure
            for measure in ("accuracy", "auroc_lung_opacity")
            if (figure := figures.subgroup_figure(comparison, measure))
        ],
        "subgroups": _subgroup_rows(comparison),
        "smallest_group": SMALLEST_GROUP,
        "smallest_class": SMALLEST_CLASS,
        "pairs": [_pair(pair) for pair in comparison.pairs],
        "paired_names": [figures.measure_name(name) for name in PAIRED],
        "costs": _costs(comparison),
        "probes": _probes(comparison),
        "changes": _changes(comparison),
        "corner_percent": round(100 * CORNER),
        "localisation": _localisation(comparison),
        "label_opacity": label_name(LABELS[OPACITY]),
        "growth": comparison.growth and _growth(comparison.growth),
    }
    return render_to_string("ml_training/comparison.html", context)


# Numbers in words.


def number(value: float | None, places: int = 3) -> str:
    """``value`` as the active language writes it; a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return number_format(round(value, places) + 0.0, places)  # + 0.0: no negative zero


def percent(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return _("%(number)s%%") % {"number": number_format(round(100 * value, 1), 1)}


def span(interval, places: int = 3) -> str:
    low, high = interval
    if low is None or math.isnan(low):
        return ""
    return f"({number(low, places)} – {number(high, places)})"


def _cell(found: dict, value: float | None, key: str) -> dict:
    return {"value": number(value), "span": span(found["intervals_95"][key])}


def _overall_rows(comparison: Comparison, split: str) -> list[dict]:
    return [
        {
            "name": figures.measure_name(name),
            "cells": [
                _cell(found, found[name], name)
                for candidate in comparison.candidates
                for found in [comparison.figures[candidate.name][split]]
            ],
        }
        for name in metrics.OVERALL
    ]


def _class_rows(comparison: Comparison) -> list[dict]:
    return [
        {
            "name": figures.measure_name(name),
            "lines": [
                {
                    "label": label_name(label),
                    "cells": [
                        _cell(found, found[name][label], f"{name}_{label}")
                        for candidate in comparison.candidates
                        for found in [comparison.figures[candidate.name][comparison.split]]
                    ],
                }
                for label in LABELS
            ],
        }
        for name in metrics.BY_CLASS
    ]


def _model(comparison: Comparison, candidate) -> dict:
    """A row of the table of CNN against transfer learning, with the formula checked."""
    found = comparison.figures[candidate.name][comparison.split]
    kinds = {
        True: _("transfer learning"),
        False: _("trained from the beginning"),
        None: _("not known"),
    }
    return {
        "name": candidate.name,
        "architecture": candidate.architecture or _("not known"),
        "kind": kinds[candidate.is_transfer],
        "revision": candidate.facts.get("training", {}).get("revision", ""),
        "accuracy": _cell(found, found["accuracy"], "accuracy"),
        "mean_class_accuracy": _cell(found, found["mean_class_accuracy"], "mean_class_accuracy"),
        "by_formula": number(1 - 2 / 3 * (1 - found["accuracy"])),
        "macro_auroc": _cell(found, found["macro_auroc"], "macro_auroc"),
    }


def _subgroup_rows(comparison: Comparison) -> list[dict]:
    rows = []
    for by, groups in comparison.subgroups.items():
        for row in groups:
            cells = []
            for candidate in comparison.candidates:
                found = row["figures"][candidate.name]
                cells.append(
                    [
                        {"value": number(found[m][0]), "span": span(found[m][1:])}
                        if m in found
                        else {"value": "–", "span": ""}
                        for m in ("accuracy", "macro_auroc", "auroc_lung_opacity")
                    ]
                )
            rows.append(
                {
                    "name": figures.group_name(by, row["name"]),
                    "n": row["n"],
                    "counts": row["counts"],
                    "small": row["small"],
                    "cells": list(zip([c.name for c in comparison.candidates], cells, strict=True)),
                }
            )
    return rows


def _pair(pair: dict) -> dict:
    cells = []
    for name in PAIRED:
        found = pair["measures"][name]
        low, high = found["interval_95"]
        cells.append(
            {
                "value": ("+" if found["difference"] > 0 else "") + number(found["difference"]),
                "span": span((low, high)),
                "p": number(found["p"]),
                "clear": low > 0 or high < 0,
            }
        )
    return {"one": pair["one"], "other": pair["other"], "cells": cells}


def _costs(comparison: Comparison) -> list[dict]:
    rows = []
    for candidate in comparison.candidates:
        cost = comparison.costs[candidate.name]
        latency = cost.get("latency")
        size, seconds = cost["bytes"], cost["seconds_an_epoch"]
        rows.append(
            {
                "name": candidate.name,
                "epochs": cost["epochs"] if cost["epochs"] is not None else "–",
                "seconds": number(seconds, 1),
                "parameters": number_format(cost["parameters"], force_grouping=True)
                if cost["parameters"]
                else "–",
                "size": number(size / 1e6 if size else None, 1),
                "latency": latency
                and {
                    "median": number(latency["median"], 1),
                    "span": span((latency["low"], latency["high"]), 1),
                    "noise": span(latency["rounds"], 1),
                    "readings": latency["readings"],
                },
            }
        )
    return rows


def _probes(comparison: Comparison) -> list[dict]:
    rows = []
    for candidate in comparison.candidates:
        entry = comparison.shortcuts.get(candidate.name, {})
        for key, where in (
            ("probe", _("validation and test patients")),
            ("probe_train", _("training patients")),
        ):
            found = entry.get(key)
            if not found:
                continue
            ranges = found["intervals_95"]
            rows.append(
                {
                    "name": candidate.name,
                    "where": where,
                    "n": found["n"],
                    "left_out": found["left_out"],
                    "told": [
                        {"value": number(found[k]), "span": span(ranges[k])}
                        for k in ("label", "features", "both")
                    ],
                    "over": number(found["over_label"]),
                    "over_span": span(found["over_label_interval_95"]),
                    "gain": number(found["gain"]),
                    "gain_span": span(found["gain_interval_95"]),
                    "passed": found["over_label"] <= TOLERATED_GAIN
                    and found["gain"] <= TOLERATED_GAIN,
                    "origins": [
                        {
                            "name": origin,
                            "n": one["n"],
                            "told": [number(one[k]) for k in ("label", "features", "both")],
                        }
                        for origin, one in found["by_origin"].items()
                    ],
                }
            )
    return rows


def _changes(comparison: Comparison) -> list[dict]:
    names = {
        "corners": _("corners covered"),
        "letters": _("burned-in letters painted over"),
        "marks": _("both"),
        "lungs": _("control: as much area over the lungs covered"),
        "round_trip": _("reduced to 299 pixels and enlarged again"),
        "compress": _("through a JPEG of quality 50"),
    }
    rows = []
    for candidate in comparison.candidates:
        found = comparison.shortcuts.get(candidate.name, {}).get("changes")
        if not found:
            continue
        lines = []
        for key, name in names.items():
            one = found[key]
            ranges, gap = one["intervals_95"], one["auroc_change"]
            lines.append(
                {
                    "name": name,
                    "images": one["changed_images"],
                    "mean_change": {
                        "value": number(one["mean_change"]),
                        "span": span(ranges["mean_change"]),
                    },
                    "other_class": percent(one["other_class"]),
                    "opacity_shift": {
                        "value": ("+" if one["opacity_shift"] > 0 else "")
                        + number(one["opacity_shift"]),
                        "span": span(ranges["opacity_shift"]),
                    },
                    "macro_auroc": number(one["macro_auroc"]),
                    "gap": {
                        "value": ("+" if gap["difference"] > 0 else "") + number(gap["difference"]),
                        "span": span(gap["interval_95"]),
                    },
                }
            )
        rows.append({"name": candidate.name, "lines": lines})
    return rows


def _localisation(comparison: Comparison) -> list[dict]:
    names = {
        "all": _("every opacity"),
        "read": _("those read as an opacity"),
        "above_mean": _("every opacity, the mean map of the other classes taken off"),
    }
    rows = []
    for candidate in comparison.candidates:
        found = comparison.localisation.get(candidate.name)
        if not found:
            continue
        everything = found["all"]
        rows.append(
            {
                "name": candidate.name,
                "lines": [
                    {
                        "name": name,
                        "n": found[key]["n"],
                        "hit_rate": percent(found[key]["hit_rate"]),
                        "span": f"({percent(found[key]['interval_95'][0])} – "
                        f"{percent(found[key]['interval_95'][1])})",
                        "random_point": percent(found[key]["random_point"]),
                        "other_map": percent(found[key]["other_map"]),
                    }
                    for key, name in names.items()
                    if key in found
                ],
                # Below chance, or no better: the map does not show where.
                "worthless": everything["interval_95"][0] <= everything["random_point"],
                "figure": figures.mean_map_figure(candidate.name, found["mean_map"]),
                "sanity": {
                    name: {
                        "n": one["n"],
                        "mean": number(one["mean"], 2),
                        "size": number(one["mean_absolute"], 2),
                        "alike": percent(one["alike"]),
                    }
                    for name, one in found["sanity"].items()
                },
            }
        )
    return rows


def growth_context(growth: dict) -> dict:
    """What the page of a learning curve alone is made from."""
    return {"growth": _growth(growth)}


def _growth(growth: dict) -> dict:
    return {
        "figure": figures.growth_figure(growth),
        "split": split_name(growth["split"]),
        "series": [
            {
                "name": series["name"],
                "note": series.get("note", ""),
                "points": [
                    {
                        "patients": point["patients"],
                        "images": point["images"],
                        "value": number(point["mean"]),
                        "low": number(point["lowest"]),
                        "high": number(point["highest"]),
                        "seeds": point["seeds"],
                    }
                    for point in series["means"]
                ],
                "law": series.get("law")
                and {
                    "formula": _("%(limit)s - %(scale)s × patients^-%(power)s")
                    % {
                        "limit": number(series["law"]["limit"]),
                        "scale": number(series["law"]["scale"], 2),
                        "power": number(series["law"]["power"], 2),
                    },
                    "ahead": [
                        {
                            "patients": number_format(one["patients"], force_grouping=True),
                            "value": number(one["macro_auroc"]),
                            "span": span((one["low"], one["high"])),
                        }
                        for one in series["law"]["ahead"]
                    ],
                },
            }
            for series in growth["series"]
        ],
    }
