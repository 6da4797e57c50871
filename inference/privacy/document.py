"""Rows as plain data for the person whom they are about, and a description of what stands there."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.utils.translation import override

from accounts.models import Doctor
from inference.models import Analysis

from .archive import Stored
from .rows import children, file_fields

# Of no meaning outside: what processes note for themselves, and copies of other columns.
INTERNAL = {
    "inference.analysis": {
        "owner",
        "practice",
        "acquired_on",
        "is_current",
        "attempts",
        "claimed_by",
        "sent_at",
        "urgency",
        "judgement",
    },
    "inference.review": {"is_current"},
    "radiology.radiograph": {"owner"},
    "radiology.secondreading": {"is_open"},
}
# Made from another file that is there, in a form of our own.
DERIVED_FILES = {"radiology.radiograph": {"depth"}}
# What is told of a reading that the asking doctor has to judge first.
WITHHELD = ("id", "status", "queued_at", "started_at", "finished_at")


def described_fields(model: type[models.Model], parent: str = "") -> list[models.Field]:
    """The columns that are told, less the one that names the row above."""
    internal = INTERNAL.get(model._meta.label_lower, set()) | {parent}
    return [field for field in model._meta.concrete_fields if field.name not in internal]


def files_of(row: models.Model) -> dict[str, Stored]:
    """The stored files of a row by the path that each has in the archive."""
    derived = DERIVED_FILES.get(row._meta.label_lower, set())
    found = {}
    for field in file_fields(type(row)):
        file = getattr(row, field.name)
        if file and field.name not in derived:
            folder, *_between, name = file.name.split("/")
            found[f"{folder}/{row.pk}/{name}"] = Stored(file.storage, file.name)
    return found


def row_document(row: models.Model, parent: str = "") -> dict[str, Any]:
    """One row: a value for each of ``described_fields``, files as their path in the archive."""
    paths = {file.name: path for path, file in files_of(row).items()}
    found = {}
    for field in described_fields(type(row), parent):
        value = getattr(row, field.name)
        if isinstance(field, models.FileField):
            if field.name not in DERIVED_FILES.get(row._meta.label_lower, set()):
                found[field.name] = paths.get(value.name)
        elif isinstance(value, Doctor):
            found[field.name] = doctor_document(value)
        else:
            found[field.name] = plain(value)
    return found


def tree_document(
    row: models.Model, *, reader, parent: str = ""
) -> tuple[dict[str, Any], dict[str, Stored]]:
    """A row with all rows below it, and the files of all of them.

    ``reader``: the doctor for whom it is made, from whom readings may be withheld; ``None``
    for nobody in particular.
    """
    if getattr(row, "withheld", False):
        told = {name: plain(getattr(row, name)) for name in WITHHELD}
        return told | {"withheld": True}, {}
    found, files = row_document(row, parent), files_of(row)
    for child in children(type(row)):
        rows = child.model._base_manager.filter(**{child.field: row.pk}).order_by("pk")
        if child.model is Analysis and reader is not None:
            rows = Analysis.objects.filter(**{child.field: row.pk}).for_reader(reader)
            rows = rows.order_by("pk")
        found[child.name] = []
        for one in rows.select_related(*_doctors(child.model)):
            told, more = tree_document(one, reader=reader, parent=child.field)
            found[child.name].append(told)
            files |= more
    return found, files


def doctor_document(doctor: Doctor) -> dict[str, Any]:
    """Who did something: administrators are told by their key alone."""
    name = "" if doctor.is_staff else doctor.get_full_name()
    role = "administrator" if doctor.is_staff else "doctor"
    return {"key": str(doctor.pk), "role": role, "name": name}


def plain(value: Any) -> Any:
    """A value as JSON knows it: times in ISO 8601, keys and other rows as text."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | models.Model):
        return str(value)
    return str(value)


def description(model: type[models.Model], parent: str = "") -> dict[str, Any]:
    """What the document of a row of ``model`` holds, in English: each key with its meaning."""
    with override("en"):
        told = {field.name: meaning(field) for field in described_fields(model, parent)}
        for name in DERIVED_FILES.get(model._meta.label_lower, set()):
            del told[name]
        for child in children(model):
            told[child.name] = [description(child.model, child.field)]
        if model is Analysis:
            told["withheld"] = "present and true: hidden until the doctor has judged the radiograph"
    return told


def meaning(field: models.Field) -> str:
    """The name of a column, the words of its choices, and its type."""
    told = str(field.verbose_name)
    if isinstance(field, models.FileField):
        return f"{told}: path in this archive, or null"
    if field.choices:
        words = "; ".join(f"{value!r}: {name}" for value, name in field.choices)
        told = f"{told} ({words})"
    kind = "person" if field.related_model is Doctor else field.get_internal_type()
    return f"{told} [{kind}]"


def _doctors(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.is_relation]
