"""Whom a network has learned from, so that none of them is among those it is judged by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .config import Config, run_folder
from .datasets import Dataset, Split
from .errors import ConfigInvalidError, SplitLeakError
from .files import write_whole

LEARNED = "learned_from.json"


@dataclass(frozen=True)
class Learned:
    """``patients`` and ``images`` (ids), as their indexes name them."""

    patients: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()

    def __or__(self, other: Learned) -> Learned:
        return Learned(self.patients | other.patients, self.images | other.images)


def of_split(split: Split) -> Learned:
    return Learned(frozenset(split.patients.tolist()), frozenset(split.ids.tolist()))


def of_runs(config: Config) -> Learned:
    """Whom the runs that ``config`` builds upon have learned from, themselves or by others.

    Raises :class:`ConfigInvalidError` for a run that does not say.
    """
    found = Learned()
    for name in filter(None, (config.initial_run, *config.teachers)):
        found |= _read(run_folder(name))
    return found


def _read(run: Path) -> Learned:
    try:
        said = json.loads((run / LEARNED).read_text("utf-8"))
        return Learned(frozenset(said["patients"]), frozenset(said["images"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{run.name} does not say whom it learned from ({LEARNED})"
        raise ConfigInvalidError(reason=reason) from error


def write_learned(run: Path, learned: Learned) -> None:
    said = {"patients": sorted(learned.patients), "images": sorted(learned.images)}
    write_whole(run / LEARNED, json.dumps(said, indent=0))


def check_unseen(dataset: Dataset, learned: Learned) -> None:
    """Raise :class:`SplitLeakError` when a validation or test radiograph of ``dataset``, or
    another of its patient, is among what was learned from."""
    leaking: set[str] = set()
    for name in ("val", "test"):
        split = dataset.splits[name]
        seen = np.isin(split.patients, list(learned.patients))
        seen |= np.isin(split.ids, list(learned.images))
        leaking |= set(split.patients[seen].tolist())
    if leaking:
        raise SplitLeakError(patients=len(leaking))
