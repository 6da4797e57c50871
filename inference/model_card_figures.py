"""The sections of a model card that hold measured figures, each with its 95% interval."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .model_card_blocks import (
    Block,
    Items,
    Pairs,
    Section,
    Table,
    Text,
    fact,
    missing,
    number,
    plot,
    share,
    split_name,
    with_interval,
)
from .models import LABELS, Label

MEASURED_ON = ("test", "val")


def _names() -> list[str]:
    return [str(Label(label).label) for label in LABELS]


def _overall_measures() -> dict:
    return {
        "macro_auroc": (_("AUROC, mean of the classes"), number),
        "accuracy": (_("Accuracy: the most probable class is the true one"), share),
        "mean_class_accuracy": (
            _("Mean accuracy per class (“this class or not?”; counts each error for two classes)"),
            share,
        ),
        "macro_average_precision": (_("Average precision, mean of the classes"), number),
        "brier": (_("Brier score (0 is best; knowing nothing gives 0.667)"), number),
        "ece": (_("Expected calibration error"), number),
    }


def _class_measures() -> dict:
    return {
        "auroc": (_("AUROC against the other classes"), number),
        "average_precision": (_("Average precision"), number),
        "class_accuracy": (_("Accuracy of “this class or not?”"), share),
        "sensitivity": (_("Sensitivity of the most probable class"), share),
        "specificity": (_("Specificity of the most probable class"), share),
        "ppv": (_("Positive predictive value, in this mix of classes"), share),
        "npv": (_("Negative predictive value, in this mix of classes"), share),
        "sensitivity_at_95_specificity": (_("Sensitivity at a specificity of 95%"), share),
        "specificity_at_95_sensitivity": (_("Specificity at a sensitivity of 95%"), share),
    }


# --- Metrics -----------------------------------------------------------------------------------


def metrics_section(facts: dict) -> Section:
    title = _("How good it is")
    metrics = fact(facts, "metrics") or {}
    splits = [split for split in MEASURED_ON if metrics.get(split)]
    if not splits:
        return Section("metrics", title, [missing(_("any measured figure"))])
    blocks: list[Block] = [
        Text(
            _(
                "Measured on radiographs of patients that it did not learn from. In brackets: the "
                "95% interval, by resampling the patients."
            )
        )
    ]
    rows = [
        [name, *(_of_all(metrics[split], key, written) for split in splits)]
        for key, (name, written) in _overall_measures().items()
        if any(key in metrics[split] for split in splits)
    ]
    head = [_("Measure"), *(_with_n(split, metrics[split].get("n")) for split in splits)]
    blocks.append(Table(_("All classes together"), head, rows))
    measured = metrics[splits[0]]
    blocks += _by_class(measured, splits[0])
    if "intervals_95" not in measured:
        blocks.append(missing(_("the intervals of these figures")))
    if len(splits) < len(MEASURED_ON):
        lacking = ", ".join(split_name(split) for split in MEASURED_ON if split not in splits)
        blocks.append(missing(_("figures of this part of the data: %(part)s") % {"part": lacking}))
    return Section("metrics", title, blocks)


def _with_n(split: str, n: int | None) -> str:
    if n is None:
        return split_name(split)
    return _("%(part)s (%(n)s radiographs)") % {"part": split_name(split), "n": number(n, 0)}


def _of_all(measured: dict, key: str, written) -> str:
    return with_interval(measured.get(key), fact(measured, "intervals_95", key), written)


def _by_class(measured: dict, split: str) -> list[Block]:
    def interval(key: str, label: str):
        return fact(measured, "intervals_95", f"{key}_{label}")

    known = {key: what for key, what in _class_measures().items() if measured.get(key)}
    if not known:
        return [missing(_("figures by class"))]
    rows = [
        [name]
        + [
            with_interval(measured[key].get(label), interval(key, label), written)
            for label in LABELS
        ]
        for key, (name, written) in known.items()
    ]
    where = split_name(split)
    blocks: list[Block] = [
        Table(_("By class: %(part)s") % {"part": where}, [_("Measure"), *_names()], rows)
    ]
    aurocs = [
        (str(Label(label).label), fact(measured, "auroc", label), interval("auroc", label))
        for label in LABELS
    ]
    mean = (
        _("Mean of the classes"),
        measured.get("macro_auroc"),
        fact(measured, "intervals_95", "macro_auroc"),
    )
    note = _("The mark is what was measured, the line its 95% interval. Chance alone gives 0.5.")
    title = _("AUROC: %(part)s") % {"part": where}
    if drawn := plot(title, note, [*aurocs, mean], low=0.5, written=number):
        blocks.insert(0, drawn)
    if confusion := measured.get("confusion"):
        rows = [
            [name, *(number(n, 0) for n in counts)]
            for name, counts in zip(_names(), confusion, strict=True)
        ]
        head = [_("True class"), *(_("Read as: %(name)s") % {"name": name} for name in _names())]
        blocks.append(Table(_("Most probable class against true class, radiographs"), head, rows))
    return blocks


# --- Subgroups ---------------------------------------------------------------------------------


def subgroups_section(facts: dict) -> Section:
    title = _("Subgroups")
    found = fact(facts, "subgroups", "by")
    if not found:
        return Section("subgroups", title, [missing(_("figures by sex, age, view and origin"))])
    by_names = {"sex": _("Sex"), "age": _("Age"), "view": _("View"), "origin": _("Origin")}
    measures = {
        "accuracy": (_("Accuracy"), share),
        "macro_auroc": (_("AUROC, mean of the classes"), number),
        "auroc_lung_opacity": (
            _("AUROC of “%(label)s”") % {"label": Label.LUNG_OPACITY.label},
            number,
        ),
    }
    sexes = {"F": _("female"), "M": _("male")}
    rows, points = [], []
    for by, groups in found.items():
        for group in groups:
            named = sexes.get(group["name"], group["name"]) if by == "sex" else group["name"]
            name = _("%(group)s: %(name)s") % {
                "group": by_names.get(by, by),
                "name": named or _("not known"),
            }
            cells = [_figure(group, key, written) for key, (_name, written) in measures.items()]
            rows.append([name, number(group["n"], 0), *cells])
            value, low, high = (fact(group, "figures", "macro_auroc") or [None] * 3)[:3]
            points.append((name, value, [low, high]))
    blocks: list[Block] = [
        Text(
            _(
                "On the part “%(part)s”. Intervals that overlap show no difference; where a group "
                "is too small for a figure, there is none."
            )
            % {"part": split_name(fact(facts, "subgroups", "split") or "test")}
        )
    ]
    note = _("The mark is what was measured, the line its 95% interval. Chance alone gives 0.5.")
    caption = _("AUROC by subgroup, mean of the classes")
    if drawn := plot(caption, note, points, low=0.5, written=number):
        blocks.append(drawn)
    head = [_("Subgroup"), _("Radiographs"), *(name for name, _written in measures.values())]
    blocks.append(Table(_("Figures by subgroup"), head, rows))
    return Section("subgroups", title, blocks)


def _figure(group: dict, key: str, written) -> str:
    # Resampling so few patients gives intervals that are far too narrow.
    if group.get("small"):
        return "–"
    value, low, high = (fact(group, "figures", key) or [None] * 3)[:3]
    return with_interval(value, [low, high], written)


# --- Calibration -------------------------------------------------------------------------------


def calibration_section(facts: dict) -> Section:
    title = _("Calibration: do the probabilities mean what they say?")
    found = fact(facts, "calibration")
    if not found:
        return Section("calibration", title, [missing(_("the calibration"))])
    test = fact(facts, "metrics", "test") or {}
    pairs = [
        (_("Temperature"), found.get("temperature"), number),
        (_("Expected calibration error before, validation"), found.get("ece_before"), number),
        (_("Expected calibration error after, validation"), found.get("ece_after"), number),
    ]
    blocks: list[Block] = [
        Text(
            _(
                "All probabilities are softened or sharpened by one number, the temperature, found "
                "on the part “%(part)s”. The expected calibration error is the mean gap between "
                "how sure the readings are and how often they are right; chance alone makes it "
                "larger than 0."
            )
            % {"part": split_name(found.get("split") or "?")}
        ),
        Pairs(
            [(name, written(value)) for name, value, written in pairs if value is not None]
            + [(_("Expected calibration error, test"), _of_all(test, "ece", number))]
        ),
    ]
    blocks += [missing(name) for name, value, _written in pairs if value is None]
    return Section("calibration", title, blocks)


# --- Certainty ---------------------------------------------------------------------------------


def certainty_section(facts: dict) -> Section:
    title = _("Certainty: what a reading claims")
    if not fact(facts, "conformal"):
        limits = fact(facts, "thresholds", "certainty")
        if not limits:
            return Section("certainty", title, [missing(_("the certainty"))])
        blocks: list[Block] = [
            Text(
                _(
                    "Certainty is high where the largest probability reaches %(high)s, moderate "
                    "from %(moderate)s, low below."
                )
                % {"high": share(limits["high"]), "moderate": share(limits["moderate"])}
            ),
            missing(_("sets of possible classes, with how often they hold the true one")),
            missing(_("what it refuses as unlike the images that it knows")),
        ]
        return Section("certainty", title, blocks)
    return Section("certainty", title, [*_sets(facts), *_gate(facts)])


def _sets(facts: dict) -> list[Block]:
    conformal = facts["conformal"]
    blocks: list[Block] = [
        Text(
            _(
                "A reading names the classes that remain possible: one (certain), several "
                "(uncertain: a person must decide) or none (not like what the model knows). The "
                "sets are made on the part “%(part)s” to hold the true class for %(coverage)s of "
                "the radiographs of each class, in the population of these data; for other "
                "populations, and for one patient, they promise nothing."
            )
            % {
                "part": split_name(conformal.get("split") or "val"),
                "coverage": share(conformal.get("coverage")),
            }
        )
    ]
    measured = fact(conformal, "measured", "test")
    if not measured:
        return [*blocks, missing(_("how often the sets hold the true class on the test part"))]

    def interval(key: str):
        return fact(measured, "intervals_95", key)

    coverages = [
        (
            str(Label(label).label),
            fact(measured, "coverage", label),
            interval(f"coverage_{label}"),
        )
        for label in LABELS
    ]
    note = _("Wanted: %(coverage)s.") % {"coverage": share(conformal.get("coverage"))}
    caption = _("How often the set holds the true class, test")
    if drawn := plot(caption, note, coverages, low=0.5):
        blocks.append(drawn)
    rows = [
        [name, with_interval(value, ends)]
        + [
            with_interval(
                fact(measured, "set_size", label), interval(f"set_size_{label}"), _two_places
            )
        ]
        + [number(n, 0) for n in fact(measured, "sizes", label) or [None] * 4]
        for label, (name, value, ends) in zip(LABELS, coverages, strict=True)
    ]
    head = [_("True class"), _("Set holds it"), _("Mean number of classes in the set")]
    head += [_("Sets of %(n)s") % {"n": n} for n in range(len(LABELS) + 1)]
    blocks.append(Table(_("Sets by true class, test"), head, rows))
    pairs = [
        (_("Readings that are certain"), "certain"),
        (_("Certain readings that are right"), "certain_right"),
    ]
    blocks.append(
        Pairs([(name, with_interval(measured.get(key), interval(key))) for name, key in pairs])
    )
    return blocks


def _two_places(value: float) -> str:
    return number(value, 2)


def _stranger_name(name: str) -> str:
    return {
        "upside_down": _("Radiographs upside down"),
        "turned_left": _("Radiographs turned to the left"),
        "turned_right": _("Radiographs turned to the right"),
        "negative": _("Radiographs with black and white exchanged"),
        "blank": _("Blank images"),
        "noise": _("Noise"),
        "smooth_noise": _("Smooth noise"),
        "gradient": _("Gradients"),
        "text": _("Text"),
        "photograph": _("Photographs"),
        "other_body_part": _("Radiographs of other parts of the body"),
        "lateral": _("Lateral radiographs of the chest"),
    }.get(name, name.replace("_", " "))


def _gate(facts: dict) -> list[Block]:
    gate = fact(facts, "gate") or {}
    measured = gate.get("measured") or {}
    known, strangers = measured.get("known"), measured.get("strangers") or {}
    blocks: list[Block] = [
        Text(
            _(
                "An image that is unlike those that it knows is refused: the reading then names no "
                "class."
            )
        )
    ]
    rows = (
        [[_("Frontal radiographs of the chest, test: to be let through"), known]] if known else []
    )
    rows += [[_stranger_name(name), group] for name, group in strangers.items()]
    if not rows:
        blocks.append(missing(_("how often the gate refuses known and other images")))
    else:
        cells = [
            [
                name,
                number(group.get("n"), 0),
                with_interval(group.get("refused"), group.get("interval_95")),
            ]
            for name, group in rows
        ]
        points = [(name, group.get("refused"), group.get("interval_95")) for name, group in rows]
        note = _(
            "The first line should be at the left, the others at the right. Intervals count "
            "patients or pictures, not images."
        )
        if drawn := plot(_("Share of images refused"), note, points):
            blocks.append(drawn)
        head = [_("Images"), _("Number"), _("Refused")]
        blocks.append(Table(_("What the gate refuses"), head, cells))
    if not_tested := gate.get("not_tested"):
        names = [_stranger_name(name) for name in not_tested]
        blocks.append(Items(_("Could not be tested:"), names))
    return blocks


# --- Triage ------------------------------------------------------------------------------------


def triage_section(facts: dict) -> Section:
    title = _("Limits for triage")
    rules = fact(facts, "triage")
    if not rules:
        return Section("triage", title, [missing(_("limits that rule an opacity out or in"))])
    rows = []
    for key, name, wanted in (
        ("rule_out", _("Rules out, below"), _("sensitivity %(share)s")),
        ("rule_in", _("Rules in, above"), _("specificity %(share)s")),
    ):
        rule = rules.get(key)
        if not rule:
            continue
        side = "sensitivity" if key == "rule_out" else "specificity"
        measured = fact(rule, "measured", "test") or {}
        rows.append(
            [
                f"{name} ({Label(rule['label']).label})",
                share(rule["threshold"]),
                wanted % {"share": share(rule.get(f"{side}_wanted"))},
            ]
            + [
                with_interval(measured.get(figure), fact(measured, "intervals_95", figure))
                for figure in ("sensitivity", "specificity", "share", "right")
            ]
        )
    head = [
        _("Rule"),
        _("Probability"),
        _("Wanted on validation"),
        _("Sensitivity, test"),
        _("Specificity, test"),
        _("Radiographs that it holds for"),
        _("Right among these, in this mix of classes"),
    ]
    text = _(
        "They sort the work; they decide nothing. Chosen on the validation part, measured on the "
        "test part."
    )
    return Section("triage", title, [Text(text), Table(_("Limits"), head, rows)])
