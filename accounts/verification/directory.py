"""The directory of registered doctors, as far as this installation has one.

``DOCTOR_DIRECTORY`` names a class with the methods of :class:`Directory`; the default reads
what ``manage.py import_directory`` took in from a file.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Protocol, TextIO

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from accounts.errors import DirectoryFileError, DirectoryShrunkError
from accounts.validators import name_normalize, registration_number_normalize

from .models import DirectoryEdition, DirectoryPerson

BATCH = 5000
# The columns that are read, by the names that they may have: our own, then those of the
# French "Annuaire santé", extraction "PS_LibreAcces_Personne_activite".
COLUMNS = {
    "registration_number": ("registration_number", "Identifiant PP"),
    "last_name": ("last_name", "Nom d'exercice"),
    "first_name": ("first_name", "Prénom d'exercice"),
    "profession": ("profession", "Libellé profession"),
}
OPTIONAL = frozenset({"profession"})
# More wrong lines than this share of a file, and the file is not what it should be.
MOST_WRONG = 0.01
# A directory shrinks by few people from one edition to the next.
LEAST_SHARE = 0.8


@dataclass(frozen=True)
class Person:
    """One entry of a directory."""

    first_name: str
    last_name: str
    profession: str = ""


class Directory(Protocol):
    """A directory of registered doctors."""

    def people(self, registration_number: str) -> list[Person]:
        """Everybody who is entered under this number."""
        ...

    def edition(self) -> date | None:
        """The day of what is known; ``None`` when there is no directory at hand."""
        ...


class ImportedDirectory:
    """What was imported last."""

    def people(self, registration_number: str) -> list[Person]:
        edition = current_edition()
        if edition is None:
            return []
        rows = DirectoryPerson.objects.filter(
            edition=edition, registration_number=registration_number
        ).order_by("pk")
        return [Person(row.first_name, row.last_name, row.profession) for row in rows[:20]]

    def edition(self) -> date | None:
        edition = current_edition()
        return edition.imported_at.date() if edition else None


@dataclass(frozen=True)
class Finding:
    """What the directory says of a doctor.

    ``state``: ``"none"`` (no directory at hand), ``"unknown"`` (no such number), ``"other"``
    (the number is somebody else's) or ``"same"`` (the number and the name).
    """

    state: str
    people: tuple[Person, ...] = ()
    edition: date | None = None


def look_up(doctor) -> Finding:
    """Compare a doctor's number and name with the directory that the settings name."""
    directory: Directory = import_string(settings.DOCTOR_DIRECTORY)()
    edition = directory.edition()
    if edition is None or not doctor.registration_number:
        return Finding("none")
    people = tuple(directory.people(doctor.registration_number))
    if not people:
        return Finding("unknown", edition=edition)
    same = any(is_same_person(doctor, person) for person in people)
    return Finding("same" if same else "other", people, edition)


def is_same_person(doctor, person: Person) -> bool:
    """Whether the names are the same but for case, accents, hyphens and further first names."""
    own = _plain(doctor.first_name)
    entered = _plain(person.first_name)
    shorter = min(len(own), len(entered))
    return bool(
        shorter
        and own[:shorter] == entered[:shorter]
        and _plain(doctor.last_name) == _plain(person.last_name)
    )


def _plain(name: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", name.casefold())
    kept = (one if one.isalpha() else " " for one in letters if not unicodedata.combining(one))
    return "".join(kept).split()


# --- Import -------------------------------------------------------------------------------


def current_edition() -> DirectoryEdition | None:
    return DirectoryEdition.objects.filter(is_complete=True).order_by("-pk").first()


def directory_import(lines: TextIO, *, shrink: bool = False) -> tuple[int, int]:
    """Take in a directory; returns how many people it has and how many lines were wrong.

    ``lines`` is CSV with a heading (``COLUMNS``), parted by commas, semicolons, tabs or
    vertical bars. The old directory serves until the new one is whole, and stays when this
    one ends before. Raises :exc:`DirectoryFileError`, and :exc:`DirectoryShrunkError` where it has
    less than ``LEAST_SHARE`` of the people of the old one (a file that was cut off), unless
    ``shrink`` says that this is meant.
    """
    wrong = [0]
    people = _people(lines, wrong)
    first = list(islice(people, BATCH))
    if not first:
        raise DirectoryFileError
    # What an import that was cut off has left.
    _editions_delete(DirectoryEdition.objects.filter(is_complete=False))
    edition = DirectoryEdition.objects.create()
    count, batch = 0, first
    while batch:
        for person in batch:
            person.edition = edition
        DirectoryPerson.objects.bulk_create(batch)
        count += len(batch)
        batch = list(islice(people, BATCH))
    if wrong[0] > MOST_WRONG * (count + wrong[0]):
        _editions_delete(DirectoryEdition.objects.filter(pk=edition.pk))
        raise DirectoryFileError
    old = current_edition()
    if old and count < LEAST_SHARE * old.people and not shrink:
        _editions_delete(DirectoryEdition.objects.filter(pk=edition.pk))
        raise DirectoryShrunkError(count=count, before=old.people)
    with transaction.atomic():
        edition.people, edition.is_complete = count, True
        edition.save(update_fields=["people", "is_complete"])
    _editions_delete(DirectoryEdition.objects.exclude(pk=edition.pk))
    return count, wrong[0]


def _editions_delete(editions) -> None:
    """Row by row of the editions, so that no statement holds a million rows for long."""
    for edition in editions:
        rows = DirectoryPerson.objects.filter(edition=edition)
        while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
            DirectoryPerson.objects.filter(pk__in=keys).delete()
        edition.delete()


def _people(lines: TextIO, wrong: list[int]) -> Iterator[DirectoryPerson]:
    """The people in ``lines``, each once; ``wrong[0]`` counts the lines without one."""
    try:
        reader = _reader(lines)
        heading = [name.strip().strip('"') for name in next(reader, [])]
        places = _places(heading)
        last = None
        for row in reader:
            if not row:
                continue
            if any("\n" in value for value in row):  # A quote too many has swallowed lines.
                raise DirectoryFileError
            person = _person(row, places)
            if person is None:
                wrong[0] += 1
                continue
            facts = (person.registration_number, person.first_name, person.last_name)
            if facts != last:  # a line for each place where somebody works
                yield person
            last = facts
    except (csv.Error, UnicodeDecodeError) as error:
        raise DirectoryFileError from error


def _reader(lines: TextIO) -> Iterator[list[str]]:
    heading = lines.readline()
    delimiter = max("|;\t,", key=heading.count)
    return csv.reader(_after(heading, lines), delimiter=delimiter)


def _after(heading: str, lines: Iterable[str]) -> Iterator[str]:
    yield heading.lstrip("\ufeff")
    yield from lines


def _places(heading: list[str]) -> dict[str, int]:
    places = {
        field: heading.index(name)
        for field, names in COLUMNS.items()
        for name in names
        if name in heading
    }
    if COLUMNS.keys() - places.keys() - OPTIONAL:
        raise DirectoryFileError
    return places


def _person(row: list[str], places: dict[str, int]) -> DirectoryPerson | None:
    """One line; ``None`` when it has no number or no name that could be compared."""
    values = {field: row[at].strip() for field, at in places.items() if at < len(row)}
    number = registration_number_normalize(values.get("registration_number", ""))
    last_name = name_normalize(values.get("last_name", ""))
    if not number or len(number) > 32 or not last_name:
        return None
    return DirectoryPerson(
        registration_number=number,
        last_name=last_name[:100],
        first_name=name_normalize(values.get("first_name", ""))[:100],
        profession=values.get("profession", "")[:100],
    )
