"""A reading's claim in words: the one place from which pages, API and commands take them."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pneumoniapp.templatetags.ui import percent

from .models import Analysis, Certainty, Label

# Where a heading says that it is the certainty.
SHORT_CERTAINTY = {
    Certainty.CERTAIN: gettext_lazy("Certain"),
    Certainty.UNCERTAIN: gettext_lazy("Uncertain"),
    Certainty.UNLIKE: gettext_lazy("Not like what the model knows"),
    Certainty.HIGH: gettext_lazy("High"),
    Certainty.MODERATE: gettext_lazy("Moderate"),
    Certainty.LOW: gettext_lazy("Low"),
}
MEANING_OF_CLASS = {
    Label.NORMAL: gettext_lazy("No opacity, and nothing abnormal found."),
    Label.LUNG_OPACITY: gettext_lazy("An opacity suspicious for pneumonia."),
    Label.NOT_NORMAL: gettext_lazy(
        "Abnormal, but without an opacity of pneumonia: a person must look."
    ),
}
MEANING_OF_CERTAINTY = {
    Certainty.HIGH: gettext_lazy(
        "One class stands clear of the others. It can be wrong all the same."
    ),
    Certainty.MODERATE: gettext_lazy(
        "Another class remains possible: weigh the probabilities against the image."
    ),
    Certainty.LOW: gettext_lazy(
        "The model does not know: its class is merely the largest of close probabilities."
    ),
}


def named_labels(certainty: str, label: str, prediction_set: list[str] | None) -> list[str]:
    """The classes that a reading names: one, more when uncertain, none when unlike."""
    if not label or certainty == Certainty.UNLIKE:
        return []
    return list(prediction_set or [label]) if certainty == Certainty.UNCERTAIN else [label]


def labels_of(analysis: Analysis) -> list[str]:
    return named_labels(analysis.certainty, analysis.label, analysis.prediction_set)


def one_of(labels: list[str]) -> str:
    """``X``, ``X or Y``, ``X, Y or Z`` in the reader's language."""
    names = [str(Label(label).label) for label in labels]
    if len(names) < 2:
        return "".join(names)
    return _("%(first)s or %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}


def headline(analysis: Analysis) -> str:
    """What a finished reading says, in a few words."""
    if analysis.certainty == Certainty.UNLIKE:
        return str(Certainty.UNLIKE.label)
    classes = one_of(labels_of(analysis))
    if analysis.certainty == Certainty.UNCERTAIN:
        return _("Uncertain: %(classes)s") % {"classes": classes}
    return classes


def class_meaning(analysis: Analysis) -> str:
    """What the class means, where the reading names one alone."""
    labels = labels_of(analysis)
    return str(MEANING_OF_CLASS[labels[0]]) if len(labels) == 1 else ""


def call_for_a_person(analysis: Analysis) -> str:
    """What the reading asks of a person, where it does not name one class."""
    if analysis.certainty == Certainty.UNCERTAIN:
        return _("A person must decide")
    return _("A person must read it") if analysis.certainty == Certainty.UNLIKE else ""


def certainty_meaning(analysis: Analysis) -> str:
    """What may be made of the reading, in one or two sentences with the version's figures."""
    if analysis.certainty == Certainty.UNLIKE:
        if analysis.prediction_set == [] and analysis.typical is not False:
            return _(
                "No class fits this image well enough: the model's probabilities mean nothing here."
            )
        return _(
            "The model knows frontal radiographs of the chest. This image is unlike them: another "
            "part of the body, another view, turned, black and white exchanged, or poor. The "
            "model's probabilities mean nothing here."
        )
    if analysis.certainty == Certainty.UNCERTAIN:
        return _(
            "More than one class remains possible. Sets like this one are made to hold the true "
            "class for %(share)s of the radiographs of each class."
        ) % {"share": percent(_conformal(analysis).get("coverage"))}
    if analysis.certainty == Certainty.CERTAIN:
        return " ".join([_("Only this class remains possible."), _how_often_right(analysis)])
    return str(MEANING_OF_CERTAINTY.get(analysis.certainty, ""))


def _conformal(analysis: Analysis) -> dict:
    return analysis.model_version.facts.get("conformal", {}) if analysis.model_version else {}


def _how_often_right(analysis: Analysis) -> str:
    measured = _conformal(analysis).get("measured", {}).get("test", {})
    if measured.get("certain_right") is None:
        return _("It can be wrong all the same.")
    return _(
        "It can be wrong all the same: of such readings of other patients, %(right)s were right "
        "(%(low)s to %(high)s)."
    ) % {
        "right": percent(measured["certain_right"]),
        **_bounds(measured["intervals_95"]["certain_right"]),
    }


def _bounds(interval: list[float]) -> dict[str, str]:
    return {"low": percent(interval[0]), "high": percent(interval[1])}


def triage_sentence(analysis: Analysis) -> str:
    """Whether the version's limits rule an opacity out or in, with what was measured of them.

    Empty where neither holds, where the version has none, and where the image is unlike
    what the model knows.
    """
    rules = analysis.model_version.facts.get("triage", {}) if analysis.model_version else {}
    if not rules or analysis.certainty in ("", Certainty.UNLIKE):
        return ""
    out, into = rules["rule_out"], rules["rule_in"]
    if analysis.probabilities[out["label"]] < out["threshold"]:
        text, rule, figure = (
            _(
                "Triage: the probability of “%(label)s” is below the limit that rules it out "
                "(%(threshold)s). Of other patients' radiographs with it, %(share)s "
                "(%(low)s to %(high)s) were above."
            ),
            out,
            "sensitivity",
        )
    elif analysis.probabilities[into["label"]] > into["threshold"]:
        text, rule, figure = (
            _(
                "Triage: the probability of “%(label)s” is above the limit that rules it in "
                "(%(threshold)s). Of other patients' radiographs without it, %(share)s "
                "(%(low)s to %(high)s) were below."
            ),
            into,
            "specificity",
        )
    else:
        return ""
    measured = rule["measured"]["test"]
    return text % {
        "label": Label(rule["label"]).label,
        "threshold": percent(rule["threshold"]),
        "share": percent(measured[figure]),
        **_bounds(measured["intervals_95"][figure]),
    }


def question(analysis: Analysis) -> str:
    """What a doctor is asked to judge: the class, or the first of those that remain."""
    name = Label(analysis.label).label
    if analysis.certainty == Certainty.UNCERTAIN:
        return _("Do you agree with “%(label)s”, the most probable of them?") % {"label": name}
    return _("Do you agree with the class?")


def map_switch(analysis: Analysis) -> str:
    """The name of the switch that lays the activation map over the image."""
    if analysis.certainty in (Certainty.UNCERTAIN, Certainty.UNLIKE):
        name = Label(analysis.label).label
        return _("Show what speaks for “%(label)s”") % {"label": name}
    return _("Show what the class rests on")


def map_meaning(analysis: Analysis) -> str:
    """What the map shows, and how far it goes."""
    text = _(
        "Probability of “%(label)s” by place, as the model weighs it. It is coarse, and no "
        "outline of a lesion."
    ) % {"label": Label(analysis.label).label}
    if analysis.certainty == Certainty.UNLIKE:
        more = _("The image is not like what the model knows: the map says nothing.")
        return f"{text} {more}"
    if analysis.certainty == Certainty.UNCERTAIN:
        more = _("It is not the only possible class.")
        return f"{text} {more}"
    return text
