"""Which rows belong to a patient, found by their foreign keys: a new table is in it by itself.

``related`` walks from a model to every table whose rows hang at it, so that no export and no
erasure has to be told of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import models


@dataclass(frozen=True)
class Related:
    """The rows of ``model`` whose ``field`` names a row of the table above; ``depth`` from 1."""

    model: type[models.Model]
    field: str
    name: str
    path: str
    depth: int


def related(model: type[models.Model], path: str = "", depth: int = 1) -> Iterator[Related]:
    """Every table below ``model``, a table before those below it.

    A relation that outlives its row (``SET_NULL``) is none of it. ``path`` is the filter that
    leads from the table's own rows up to ``model``.
    """
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and (relation.one_to_many or relation.one_to_one)):
            continue
        child, field = relation.related_model, relation.field
        if child is model or relation.on_delete not in (models.CASCADE, models.PROTECT):
            continue
        up = f"{field.name}__{path}" if path else field.name
        name = relation.get_accessor_name() or f"{child._meta.model_name}_{field.name}"
        yield Related(child, field.name, name, up, depth)
        yield from related(child, up, depth + 1)


def children(model: type[models.Model]) -> list[Related]:
    """The tables right below ``model``."""
    return [one for one in related(model) if one.depth == 1]


def file_fields(model: type[models.Model]) -> list[models.FileField]:
    return [field for field in model._meta.concrete_fields if isinstance(field, models.FileField)]
