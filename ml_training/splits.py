"""Who is in which split: whole patients, classes alike, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable

from .errors import SplitLeakError

SPLITS = ("train", "val", "test")


class Groups:
    """Which of many things belong together, from pairs that do (disjoint sets)."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def join(self, first: Hashable, *others: Hashable) -> None:
        """Say that these belong together; one alone makes it known."""
        root = self.name(first)
        for other in others:
            self._parent[self.name(other)] = root

    def name(self, thing: Hashable) -> Hashable:
        """The one thing that stands for the group of ``thing``."""
        root = thing
        while (above := self._parent.setdefault(root, root)) != root:
            root = above
        while thing != root:
            self._parent[thing], thing = root, self._parent[thing]
        return root


def patient_groups(rows: Iterable[dict]) -> list[str]:
    """For each row the name of its group: rows of one patient, and rows of the same image
    (``sha256``, where there is one) whatever patient they name."""
    rows = list(rows)
    groups = Groups()
    for row in rows:
        groups.join(("patient", row["patient"]))
        if row.get("sha256"):
            groups.join(("patient", row["patient"]), ("image", row["sha256"]))
    names: dict[Hashable, str] = {}
    return [
        names.setdefault(groups.name(("patient", row["patient"])), row["patient"]) for row in rows
    ]


def check_for_leak(rows: Iterable[dict]) -> None:
    """Raise :class:`SplitLeakError` when a patient, or the same image, is in two splits.

    ``rows`` have ``patient`` and ``split`` and may have ``sha256``; rows without a split yet
    are passed over.
    """
    rows = [row for row in rows if row["split"]]
    seen: dict[str, set[str]] = defaultdict(set)
    for group, row in zip(patient_groups(rows), rows, strict=True):
        seen[group].add(row["split"])
    if leaking := sum(len(splits) > 1 for splits in seen.values()):
        raise SplitLeakError(patients=leaking)


def assign_splits(rows: list[dict], *, seed: int, shares: dict[str, float]) -> None:
    """Give every row without a ``split`` one, in place.

    ``shares``: how much of all images each split should have, summing to 1. Splits that are
    there are kept, and the other images of those patients follow them. Patients are taken
    from the one with most images to those with least, by the SHA-256 of seed and name among
    equals (no random generator: no version of a library changes the outcome), each into the
    split that lacks most of that patient's classes. Raises :class:`SplitLeakError`.
    """
    check_for_leak(rows)
    groups = patient_groups(rows)
    members: dict[str, list[dict]] = defaultdict(list)
    for group, row in zip(groups, rows, strict=True):
        members[group].append(row)
    fixed = {
        group: next((row["split"] for row in found if row["split"]), "")
        for group, found in members.items()
    }
    total = Counter(row["label"] for row in rows)
    have: Counter[tuple[str, str]] = Counter()

    def put(group: str, split: str) -> None:
        for row in members[group]:
            row["split"] = split
            have[split, row["label"]] += 1

    def lack(split: str, labels: Counter[str]) -> float:
        """How far ``split`` is from its share, by the classes of one patient; 1 when empty."""
        return sum(
            number / total[label] * (1 - have[split, label] / (shares[split] * total[label]))
            for label, number in labels.items()
        )

    for group, split in fixed.items():
        if split:
            put(group, split)
    wanted = [split for split in SPLITS if shares.get(split, 0) > 0]
    for group in sorted(
        (group for group, split in fixed.items() if not split),
        key=lambda group: (
            -len(members[group]),
            hashlib.sha256(f"{seed}:{group}".encode()).digest(),
        ),
    ):
        labels = Counter(row["label"] for row in members[group])
        put(group, max(wanted, key=lambda split: (lack(split, labels), shares[split])))
