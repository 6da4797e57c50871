"""The card of a model version: what its facts say, in sections, and what they do not say.

Pure: from the content of ``facts.json`` to blocks of text and tables in the active language.
Nothing is known here but the facts; one that is missing is said to be missing. The figures'
sections are in :mod:`inference.model_card_figures`.
"""

from __future__ import annotations

import json

from django.utils.translation import gettext as _

from .model_card_blocks import (
    Block,
    Card,
    Code,
    Items,
    Pairs,
    Section,
    Table,
    Text,
    fact,
    missing,
    number,
    share,
    split_name,
)
from .model_card_figures import (
    calibration_section,
    certainty_section,
    metrics_section,
    subgroups_section,
    triage_section,
)
from .models import LABELS, Label

SPLITS = ("train", "val", "test")
# Below so many radiographs the card says "only"; below so many of children, "too few".
FEW, FEW_CHILDREN = 20_000, 30


def model_card(facts: dict) -> Card:
    """The card of the version whose ``facts.json`` holds ``facts``, in the active language."""
    name = f"{fact(facts, 'name') or '?'}:{fact(facts, 'version') or '?'}"
    return Card(
        name=name,
        title=_("Model card of %(name)s") % {"name": name},
        sections=[
            _purpose(facts),
            _data(facts),
            metrics_section(facts),
            subgroups_section(facts),
            calibration_section(facts),
            certainty_section(facts),
            triage_section(facts),
            _limits(facts),
            _versions(facts),
            _reproduction(facts),
        ],
    )


def _purpose(facts: dict) -> Section:
    classes = ", ".join(str(Label(label).label) for label in LABELS)
    return Section(
        "purpose",
        _("What it is for, and what it is not for"),
        [
            Text(
                _(
                    "It assists a doctor who reads frontal radiographs of the chest: for each it "
                    "gives a probability for each of three classes (%(classes)s), how far that may "
                    "be believed, and where in the image it comes from. It assists; it never "
                    "decides."
                )
                % {"classes": classes}
            ),
            Items(
                _("Not for:"),
                [
                    _("deciding without a doctor who looks at the radiograph and the patient;"),
                    _("telling what causes an opacity: it looks for opacities, not for germs;"),
                    _("other findings: a reading says nothing of them;"),
                    _(
                        "lateral radiographs, other parts of the body, other kinds of images and "
                        "photographs of a film or a screen."
                    ),
                ],
            ),
            *_ages_of_use(facts),
        ],
    )


def _ages_of_use(facts: dict) -> list[Block]:
    train = fact(facts, "data", "population", "train", "ages")
    test = fact(facts, "data", "population", "test", "ages")
    if not train or not test or not train.get("known") or not test.get("known"):
        return [missing(_("the ages of the patients: for whom it is cannot be told from them"))]
    if not train["under_18"]:
        text = _(
            "Adults alone: it was trained on radiographs of patients from %(low)s to %(high)s "
            "years of age, none of them under 18 years. It is not for children."
        )
        return [Text(text % {"low": number(train["min"], 0), "high": number(train["max"], 0)})]
    text = _(
        "Adults and children: it was trained on radiographs of patients from %(low)s to %(high)s "
        "years of age; %(train)s of these radiographs and %(test)s of those that it was tested on "
        "are of patients under 18 years."
    )
    return [
        Text(
            text
            % {
                "low": number(train["min"], 0),
                "high": number(train["max"], 0),
                "train": number(train["under_18"], 0),
                "test": number(test["under_18"], 0),
            }
        )
    ]


# --- Data --------------------------------------------------------------------------------------


def _data(facts: dict) -> Section:
    data = fact(facts, "data") or {}
    blocks: list[Block] = []
    pairs = [
        (_("Data"), data.get("name")),
        (_("Terms and attribution"), data.get("terms")),
        (_("Fingerprint of the index and all images (SHA-256)"), data.get("fingerprint")),
    ]
    blocks.append(Pairs([pair for pair in pairs if pair[1]]))
    blocks += [missing(name) for name, value in pairs if not value]
    blocks += _counts(data)
    blocks += _further(data)
    blocks += _split(data)
    blocks += _population(data)
    return Section("data", _("Data"), blocks)


def _counts(data: dict) -> list[Block]:
    counts = data.get("counts") or {}
    splits = [split for split in SPLITS if split in counts]
    if not splits:
        return [missing(_("the number of radiographs by class"))]
    rows = [
        [split_name(split)]
        + [number(counts[split].get(label), 0) for label in LABELS]
        + [number(sum(counts[split].values()), 0)]
        for split in splits
    ]
    head = [_("Part"), *(str(Label(label).label) for label in LABELS), _("All")]
    return [Table(_("Radiographs by class"), head, rows)]


def _further(data: dict) -> list[Block]:
    """What taught it beside the labelled radiographs."""
    further, blocks = data.get("further") or {}, []
    if masked := further.get("lung_masked"):
        text = _(
            "It learned from %(all)s lung-masked radiographs of patients of the training part as "
            "well (%(counts)s), as %(share)s of what it was shown."
        )
        counts = ", ".join(
            f"{Label(label).label} {number(masked['counts'][label], 0)}" for label in LABELS
        )
        total = number(sum(masked["counts"].values()), 0)
        part = share(masked["share"])
        blocks.append(Text(text % {"all": total, "counts": counts, "share": part}))
    if boxes := further.get("boxes"):
        text = _(
            "In training it was also told where radiologists had marked opacities (boxes on "
            "%(images)s radiographs of the whole collection)."
        )
        blocks.append(Text(text % {"images": number(boxes["images"], 0)}))
    return blocks


def _split(data: dict) -> list[Block]:
    shared = data.get("patients_in_several_splits")
    if shared is None:
        return [missing(_("how the data was split, and whether patients stand in two parts"))]
    return [
        Text(
            _(
                "Split by patient, as the index says: it learned from the training part, what had "
                "to be chosen was chosen on the validation part, and the test part served for "
                "measuring alone. "
                "Patients that stand in more than one part: %(shared)s."
            )
            % {"shared": number(shared, 0)}
        )
    ]


def _population(data: dict) -> list[Block]:
    population = data.get("population") or {}
    splits = [split for split in SPLITS if split in population]
    if not splits:
        return [missing(_("the patients' number, ages and sexes, and the views and origins"))]

    def row(name: str, value) -> list[str]:
        return [name, *(value(population[split]) for split in splits)]

    rows = [
        row(_("Radiographs"), lambda part: number(part["n"], 0)),
        row(_("Patients"), lambda part: number(part["patients"], 0)),
        row(_("Age: median (lowest to highest)"), _ages),
        row(_("Age not known"), lambda part: number(part["n"] - part["ages"]["known"], 0)),
        row(_("Under 18 years"), lambda part: number(part["ages"]["under_18"], 0)),
    ]
    for key, named in (("sexes", _sex), ("views", _view), ("origins", _origin)):
        values = sorted({value for split in splits for value in population[split][key]})
        for value in values:
            rows.append(
                row(
                    named(value),
                    lambda part, key=key, value=value: number(part[key].get(value, 0), 0),
                )
            )
    head = [_("Radiographs of"), *(split_name(split) for split in splits)]
    return [Table(_("Who and what is in the data"), head, rows)]


def _ages(part: dict) -> str:
    ages = part["ages"]
    if not ages["known"]:
        return "–"
    return _("%(median)s (%(low)s to %(high)s)") % {
        "median": number(ages["median"], 0),
        "low": number(ages["min"], 0),
        "high": number(ages["max"], 0),
    }


def _sex(value: str) -> str:
    names = {"F": _("Sex: female"), "M": _("Sex: male"), "": _("Sex: not known")}
    return names.get(value, _("Sex: %(value)s") % {"value": value})


def _view(value: str) -> str:
    return _("View: %(value)s") % {"value": value} if value else _("View: not known")


def _origin(value: str) -> str:
    return _("Origin: %(value)s") % {"value": value} if value else _("Origin: not known")


# --- Limits ------------------------------------------------------------------------------------


def _limits(facts: dict) -> Section:
    data = fact(facts, "data") or {}
    found = []
    train = (data.get("counts") or {}).get("train")
    if train:
        n = sum(train.values())
        few = n < FEW
        text = (
            _("It learned from only %(n)s radiographs.")
            if few
            else _("It learned from %(n)s radiographs.")
        )
        found.append(text % {"n": number(n, 0)})
    if n := fact(facts, "metrics", "test", "n"):
        found.append(
            _(
                "It was measured on %(n)s radiographs: the intervals say how far such figures may "
                "be off by chance."
            )
            % {"n": number(n, 0)}
        )
    if data.get("name"):
        found.append(
            _(
                "All radiographs and labels come from one source (%(name)s). Its labels are what "
                "its readers saw in the image, neither a diagnosis nor a laboratory's result. "
                "No figure of this card was measured on radiographs from elsewhere."
            )
            % {"name": data["name"]}
        )
    origins = fact(facts, "data", "population", "train", "origins")
    if origins and len(origins) > 1:
        found.append(
            _(
                "Its training radiographs have %(n)s origins: a network can learn the origin "
                "instead of the finding."
            )
            % {"n": number(len(origins), 0)}
        )
    if (ages := fact(facts, "data", "population", "test", "ages")) and ages[
        "under_18"
    ] < FEW_CHILDREN:
        found.append(
            _("It was tested on %(n)s radiographs of children: too few to speak of them.")
            % {"n": number(ages["under_18"], 0)}
        )
    for name in fact(facts, "gate", "not_tested") or []:
        if name == "lateral":
            found.append(_("Whether it refuses lateral radiographs was not tested."))
        else:
            found.append(_("What it makes of “%(name)s” was not tested.") % {"name": name})
    found += [
        _("It sees the image alone: no history, no earlier radiograph, no laboratory value."),
        _("It does not learn from use. A better model is another version with another card."),
    ]
    return Section("limits", _("Limits"), [Items("", found)])


# --- Versions and reproduction -----------------------------------------------------------------


def _versions(facts: dict) -> Section:
    size = fact(facts, "input_size")
    seconds = fact(facts, "training", "seconds")
    pairs = [
        (_("Name"), fact(facts, "name")),
        (_("Version"), fact(facts, "version")),
        (_("Architecture"), fact(facts, "architecture")),
        (_("Number of weights"), _whole(fact(facts, "parameters"))),
        (_("Input (pixels)"), " × ".join(str(side) for side in size) if size else None),
        (_("Version of the preprocessing"), fact(facts, "preprocessing_version")),
        (_("Format of the facts"), fact(facts, "format")),
        (_("Revision of the code"), fact(facts, "training", "revision")),
        (_("Keras ran on"), fact(facts, "training", "backend")),
        (_("Epochs"), _whole(fact(facts, "training", "epochs"))),
        (
            _("Time of training"),
            _("%(minutes)s minutes") % {"minutes": number(seconds / 60, 0)} if seconds else None,
        ),
        (_("Largest difference of the served export from Keras"), _parity(facts)),
    ]
    blocks: list[Block] = [Pairs([(name, str(value)) for name, value in pairs if value])]
    blocks += [missing(name) for name, value in pairs if not value]
    if libraries := fact(facts, "libraries"):
        rows = [[name, str(version)] for name, version in libraries.items()]
        blocks.append(Table(_("Libraries"), [_("Library"), _("Version")], rows))
    else:
        blocks.append(missing(_("the versions of the libraries")))
    if files := fact(facts, "files"):
        rows = [
            [entry["name"], number(entry.get("bytes"), 0), entry["sha256"]]
            for entry in files.values()
        ]
        blocks.append(Table(_("Files"), [_("File"), _("Bytes"), "SHA-256"], rows, code=True))
    else:
        blocks.append(missing(_("the files and their checksums")))
    return Section("versions", _("Versions and checksums"), blocks)


def _whole(value: int | None) -> str | None:
    return None if value is None else number(value, 0)


def _parity(facts: dict) -> str | None:
    parity = fact(facts, "parity")
    if not parity:
        return None
    return _("%(difference)s (probability, over %(n)s radiographs)") % {
        "difference": f"{parity['max_abs_difference']:.1e}",
        "n": number(parity["images"], 0),
    }


def _reproduction(facts: dict) -> Section:
    title = _("How to reproduce it")
    config = fact(facts, "training", "config")
    if not config:
        return Section("reproduction", title, [missing(_("the configuration of the training"))])
    text = _(
        "With the data of this fingerprint, the libraries above and the code of this revision "
        "(%(revision)s), one command trains it again from the facts beside the model:"
    ) % {"revision": fact(facts, "training", "revision") or "?"}
    rows = [
        [key, value if isinstance(value, str) else json.dumps(value)]
        for key, value in config.items()
    ]
    return Section(
        "reproduction",
        title,
        [
            Text(text),
            Code("python manage.py train facts.json"),
            Table(_("Configuration"), [_("Setting"), _("Value")], rows, code=True),
        ],
    )
