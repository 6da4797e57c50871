"""A look at a dataset: one self-contained HTML file. ``manage.py dataset report``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from inference.models import LABELS
from inference.pictures import decode

from .data_facts import (
    Look,
    age_band,
    look_at_all,
    one_class_values,
    table_of,
    telling,
    values_of,
)
from .data_figures import (
    age_figure,
    class_figure,
    label_name,
    shares_figure,
    split_name,
    value_name,
)
from .dataset_build import fingerprint_of
from .datasets import OLDEST, age_of, index_file, read_rows, stated_facts
from .duplicates import BITS, LIMIT, Duplicates, find_duplicates
from .errors import SplitLeakError
from .files import check_writable_file, write_whole
from .plots import image_address
from .splits import SPLITS, check_for_leak

EXAMPLES = 6
MOST_VALUES = 12
# A column tells the class when guessing by it is right this much more often than by chance.
TELLING = 0.10
FEW = 0.05


def write_report(
    dataset: Path,
    out: Path,
    *,
    progress: Callable[[Iterable, int], Iterator] = lambda items, _total: iter(items),
) -> list[str]:
    """Write the report about ``dataset`` (a dataset folder or an index CSV) to ``out``.

    It is in the language that is active. Returns the warnings that head it. Unlike training,
    a report looks at what is wrong: unknown labels, missing files and leaks are told, not
    refused. Raises ``DatasetInvalidError`` when the index itself can't be read.
    """
    index = index_file(dataset)
    rows = read_rows(index, required=("label", "file"))
    check_writable_file(out)
    looks = look_at_all([index.parent / row["file"] for row in rows], progress)
    for row, look in zip(rows, looks, strict=True):
        row["size"] = look.size
        row["age_band"] = age_band(row)
        row["patient"] = row["patient"] or row["image_id"]
        row["sha256"] = look.sha256
    facts = stated_facts(index.parent)
    shown = [(row, look) for row, look in zip(rows, looks, strict=True) if look.rows]
    duplicates = _duplicates(shown)
    context = _summary(rows, facts, index) | {
        "missing": _missing(rows),
        "sizes": _shares(rows, "size", _("Sizes by class")),
        "sides": _sides(looks),
        "ages": _ages(rows),
        "columns": [
            _shares(rows, "sex", _("Sex by class"), name=_("sex")),
            _shares(rows, "view", _("Views by class"), name=_("view")),
        ],
        "origins": _shares(rows, "origin", _("Origins by class")),
        "given_away": _given_away(rows),
        "telling": _telling(rows),
        "chance": 100 / len(_labels(rows)),
        "examples": _examples(shown, index.parent),
        "duplicates": duplicates,
        "pairs": _pairs(shown, duplicates, index.parent),
        "limit": LIMIT,
        "bits": BITS,
    }
    context["warnings"] = _warnings(rows, context)
    write_whole(out, render_to_string("ml_training/data_report.html", context))
    return context["warnings"]


def _labels(rows: list[dict]) -> list[str]:
    """The classes in their order, then labels that are none."""
    here = {row["label"] for row in rows}
    return [label for label in LABELS if label in here] + sorted(here - set(LABELS))


def _splits(rows: list[dict]) -> list[str]:
    here = {row["split"] for row in rows}
    return [split for split in SPLITS if split in here] + sorted(here - set(SPLITS))


def _summary(rows: list[dict], facts: dict, index: Path) -> dict:
    labels, splits = _labels(rows), _splits(rows)
    lines = table_of(rows, "split", splits, labels, "label")
    for line in lines:
        members = [row for row in rows if row["split"] == line["value"]]
        line["name"] = split_name(line["value"])
        line["patients"] = len({row["patient"] for row in members})
    return {
        "name": facts.get("name") or index.parent.name,
        "facts": facts,
        "fingerprint": fingerprint_of(rows),
        "images": len(rows),
        "patients": len({row["patient"] for row in rows}),
        "labels": [label_name(label) for label in labels],
        "lines": lines,
        "class_figure": class_figure(rows, labels, splits),
    }


def _missing(rows: list[dict]) -> list[dict]:
    """How many values each column lacks, and how many files are no images."""
    columns = {
        "image": (_("image file"), sum(not row["size"] for row in rows)),
        "label": (_("class"), sum(row["label"] not in LABELS for row in rows)),
        "sex": (_("sex"), sum(not row["sex"] for row in rows)),
        "age": (_("age"), sum(not row["age"] for row in rows)),
        "impossible": (
            _("age above %(years)s, or none of a person") % {"years": OLDEST},
            sum(bool(row["age"]) and math.isnan(age_of(row)) for row in rows),
        ),
        "view": (_("view"), sum(not row["view"] for row in rows)),
        "origin": (_("origin"), sum(not row["origin"] for row in rows)),
        "split": (_("split"), sum(row["split"] not in SPLITS for row in rows)),
    }
    return [
        {"key": key, "name": name, "number": number, "share": 100 * number / len(rows)}
        for key, (name, number) in columns.items()
    ]


def _shares(rows: list[dict], column: str, title: str, *, name: str = "") -> dict | None:
    """Table and figure of ``column`` by class; ``None`` when it is the same everywhere."""
    values = values_of(rows, column)
    if len(values) < 2:
        return None
    labels, most = _labels(rows), values[:MOST_VALUES]
    table = table_of(rows, column, most, labels, "label")
    for line in table:
        line["value"] = value_name(line["value"])
    return {
        "name": name,
        "values": len(values),
        "further": len(values) - len(most),
        "table": table,
        "figure": shares_figure(rows, column, labels, most, title),
    }


def _ages(rows: list[dict]) -> dict | None:
    known = np.array([age_of(row) for row in rows])
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return {
        "figure": age_figure(rows, _labels(rows)),
        "low": round(low),
        "median": round(middle),
        "high": round(high),
        "children": 100 * float((known < 18).mean()),
    }


def _sides(looks: Sequence[Look]) -> dict | None:
    """Quantiles of the longer side, in pixels."""
    sides = [max(look.rows, look.columns) for look in looks if look.rows]
    if not sides:
        return None
    low, middle, high = np.quantile(sides, [0, 0.5, 1])
    return {"low": round(low), "median": round(middle), "high": round(high)}


def _telling(rows: list[dict]) -> list[dict]:
    columns = {
        "origin": _("origin"),
        "size": _("size of the image"),
        "view": _("view"),
        "sex": _("sex"),
        "age_band": _("age (decade)"),
    }
    found = [
        {"key": key, "name": name, "share": 100 * telling(rows, key)}
        for key, name in columns.items()
        if len(values_of(rows, key)) > 1
    ]
    return sorted(found, key=lambda entry: -entry["share"])


def _given_away(rows: list[dict]) -> list[dict]:
    return [
        {
            "origin": value_name(value),
            "label": label_name(label),
            "images": images,
            "share": 100 * share,
        }
        for value, label, images, share in one_class_values(rows, "origin")
        if len(values_of(rows, "origin")) > 1
    ]


def _warnings(rows: list[dict], context: dict) -> list[str]:
    """What a person must know before training on this, the gravest first."""
    found = []
    try:
        check_for_leak(rows)
    except SplitLeakError as error:
        context["leak"] = True
        found.append(str(error))
    missing = {entry["key"]: entry for entry in context["missing"]}
    if number := missing["image"]["number"]:
        found.append(_("Files that are missing or no images: %(number)s.") % {"number": number})
    if number := missing["label"]["number"]:
        found.append(_("Images without a class that is known: %(number)s.") % {"number": number})
    duplicates: Duplicates = context["duplicates"]
    if duplicates.across_splits:
        found.append(
            _("Pairs of nearly the same image of different patients in two splits: %(number)s.")
            % {"number": duplicates.across_splits}
        )
    telling_columns = [
        f"{entry['name']} {round(entry['share'])}%"
        for entry in context["telling"]
        if entry["key"] in ("origin", "size", "view")
        and entry["share"] - context["chance"] > 100 * TELLING
    ]
    if telling_columns:
        found.append(
            _(
                "The class can be guessed from one value alone, without looking at the lungs. "
                "Right guesses, averaged over the classes: %(columns)s (by chance %(chance)s%%). "
                "A network may learn that instead of the disease."
            )
            % {"chance": round(context["chance"]), "columns": ", ".join(telling_columns)}
        )
    lacking = [
        f"{missing[key]['name']} {round(missing[key]['share'])}%"
        for key in ("sex", "age", "view")
        if missing[key]["share"] > 100 * FEW
    ]
    if lacking:
        found.append(
            _("Values that are not known, of all images: %(columns)s.")
            % {"columns": ", ".join(lacking)}
        )
    if number := missing["impossible"]["number"]:
        found.append(
            _("Ages that no person has, read as not known: %(number)s.") % {"number": number}
        )
    return found


def _duplicates(shown: Sequence[tuple[dict, Look]]) -> Duplicates:
    return find_duplicates(
        [look.impression for _row, look in shown],
        splits=np.array([row["split"] for row, _look in shown]),
        patients=np.array([row["patient"] for row, _look in shown]),
        labels=np.array([row["label"] for row, _look in shown]),
    )


def _picture(row: dict, folder: Path) -> str:
    return image_address(decode((folder / row["file"]).read_bytes()), max_side=296)


def _said(row: dict) -> str:
    """Sex, age, view and origin in a few words."""
    age = age_of(row)
    parts = [
        row["sex"],
        "" if math.isnan(age) else _("%(age)s years") % {"age": int(age)},
        row["view"],
        row["origin"],
    ]
    return ", ".join(part for part in parts if part)


def _examples(shown: Sequence[tuple[dict, Look]], folder: Path) -> list[dict]:
    """A few images of each class, drawn with a fixed seed, different origins first."""
    random = np.random.default_rng(42)
    rows = [row for row, _look in shown]
    found = []
    for label in _labels(rows):
        members = [row for row in rows if row["label"] == label]
        members = [members[place] for place in random.permutation(len(members))]
        met: Counter[str] = Counter()
        turns = []
        for row in members:
            turns.append(met[row["origin"]])
            met[row["origin"]] += 1
        # Origins take turns, the large ones first.
        order = sorted(
            range(len(members)),
            key=lambda place: (turns[place], -met[members[place]["origin"]], place),
        )
        found.append(
            {
                "name": label_name(label),
                "images": [
                    {"address": _picture(members[place], folder), "said": _said(members[place])}
                    for place in order[:EXAMPLES]
                ],
            }
        )
    return found


def _pairs(shown: Sequence[tuple[dict, Look]], duplicates: Duplicates, folder: Path) -> list[dict]:
    return [
        {
            "bits": bits,
            "images": [
                {
                    "address": _picture(row, folder),
                    "split": split_name(row["split"]),
                    "label": label_name(row["label"]),
                    "id": row["image_id"],
                }
                for row in (shown[first][0], shown[second][0])
            ],
        }
        for first, second, bits in duplicates.across or duplicates.closest
    ]
