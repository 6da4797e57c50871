"""Two radiographs of one patient beside each other."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from .models import LABELS, Analysis, Certainty, Label
from .presentation import ReadingView
from .selectors import RELATED, patient_readings
from .timeline import Entry, timeline_entries

# How many of the newest radiographs are offered to choose from.
CHOICES_LIMIT = 200


@dataclass(frozen=True)
class Choice:
    """A radiograph to compare: a row of a select, oldest to newest by ``acquired_on``."""

    radiograph_id: uuid.UUID
    acquired_on: object
    view_position: str
    received_at: object
    is_alone: bool = True  # on its day


@dataclass(frozen=True)
class Side:
    """One of the two: ``name`` is ``left`` or ``right``."""

    name: str
    heading: str
    entry: Entry
    reading: ReadingView

    @property
    def analysis(self) -> Analysis:
        return self.entry.analysis

    @property
    def has_numbers(self) -> bool:
        """Whether there are probabilities that mean something."""
        return self.analysis.probabilities is not None and not self.is_unlike

    @property
    def is_unlike(self) -> bool:
        return self.analysis.certainty == Certainty.UNLIKE


@dataclass(frozen=True)
class Difference:
    """One class: both probabilities, and right minus left in percentage points."""

    label: str
    name: str
    left: float
    right: float

    @property
    def points(self) -> int:
        return round(100 * (self.right - self.left))


@dataclass(frozen=True)
class Comparison:
    left: Side
    right: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.left, self.right

    @property
    def differences(self) -> list[Difference]:
        """Class by class; empty unless both sides have probabilities that mean something."""
        if not all(side.has_numbers for side in self.sides):
            return []
        left, right = (side.analysis.probabilities for side in self.sides)
        return [
            Difference(label, str(Label(label).label), left[label], right[label])
            for label in LABELS
        ]

    @property
    def no_difference(self) -> str:
        """Why there are none, in a sentence."""
        if any(side.analysis.withheld for side in self.sides):
            return _("The difference is shown once you have judged both radiographs.")
        if any(side.is_unlike for side in self.sides):
            return _(
                "One of the images is not like what the model knows: its probabilities mean "
                "nothing, and neither would their difference."
            )
        return _("There is no difference to show while a reading is missing.")

    @property
    def versions_differ(self) -> bool:
        versions = [side.analysis.model_version_id for side in self.sides]
        return None not in versions and versions[0] != versions[1]

    @property
    def outdated(self) -> list[Side]:
        """The sides that the version in production could read again."""
        return [side for side in self.sides if side.entry.outdated]

    @property
    def projections(self) -> str:
        """What to say of projections that are not the same; empty when they are."""
        views = [side.reading.radiograph.view_position for side in self.sides]
        if not all(views):
            return _("The projection of at least one radiograph is not known.")
        if views[0] == views[1]:
            return ""
        return _(
            "The projections differ (%(left)s on the left, %(right)s on the right): the same "
            "chest looks different in them."
        ) % {"left": views[0], "right": views[1]}


def comparison_get(user, patient, left: uuid.UUID, right: uuid.UUID) -> Comparison:
    """Two radiographs of ``patient`` with all that is read of them.

    Raises ``Analysis.DoesNotExist`` unless both are radiographs of ``patient`` that ``user``
    may see.
    """
    rows = Analysis.objects.known_to(user).current().select_related(*RELATED)
    rows = rows.filter(radiograph__patient=patient, radiograph__in=[left, right])
    found = {entry.analysis.radiograph_id: entry for entry in timeline_entries(user, rows)}
    if not {left, right} <= found.keys():
        raise Analysis.DoesNotExist
    headings = {"left": _("Left"), "right": _("Right")}
    sides = [
        Side(name, headings[name], found[key], ReadingView(found[key].analysis, user))
        for name, key in (("left", left), ("right", right))
    ]
    return Comparison(*sides)


def comparison_choices(user, patient, *also: Analysis) -> list[Choice]:
    """The radiographs of ``patient``, the newest first; those of ``also`` in any case."""
    fields = tuple(
        f"radiograph__{name}" for name in ("acquired_on", "view_position", "received_at")
    )
    rows = patient_readings(user, patient).values_list("radiograph_id", *fields)[:CHOICES_LIMIT]
    found = {row[0]: Choice(*row) for row in rows}
    for one in also:
        radiograph = one.radiograph
        facts = radiograph.acquired_on, radiograph.view_position, radiograph.received_at
        found.setdefault(radiograph.pk, Choice(radiograph.pk, *facts))
    days = Counter(choice.acquired_on for choice in found.values())
    choices = [replace(one, is_alone=days[one.acquired_on] == 1) for one in found.values()]
    return sorted(choices, key=_when, reverse=True)


def pair_for(choices: list[Choice], key: uuid.UUID | None) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The older and the newer of two: ``key`` and the one before it, the newest two without.

    The oldest one goes with the one after it. ``None`` where there are no two.
    """
    keys = [choice.radiograph_id for choice in choices]
    if len(keys) < 2 or (key and key not in keys):
        return None
    place = min(keys.index(key) if key else 0, len(keys) - 2)
    return keys[place + 1], keys[place]


def older_first(comparison: Comparison) -> tuple[uuid.UUID, uuid.UUID]:
    """The keys of both radiographs, the older one first."""
    rows = sorted(
        (side.reading.radiograph for side in comparison.sides),
        key=lambda radiograph: (radiograph.acquired_on, radiograph.pk),
    )
    return rows[0].pk, rows[1].pk


def _when(choice: Choice) -> tuple:
    return choice.acquired_on, choice.radiograph_id
