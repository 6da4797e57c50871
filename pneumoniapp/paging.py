"""Pages of a long list: no count, no offset, and no value of a row in the address.

A page starts after (or ends before) a row named by its primary key. The database goes
straight there by the index, so the last page costs what the first one does, and a
row that arrives meanwhile moves nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from django.db.models import F, Q, QuerySet

PAGE_SIZE = 25


@dataclass(frozen=True)
class Page:
    """``rows`` in order, and the keys from which the neighbouring pages start."""

    rows: list
    after: object | None
    before: object | None

    def __iter__(self):
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def keyset_page(
    queryset: QuerySet,
    *,
    order: str,
    key: str = "pk",
    params,
    size: int = PAGE_SIZE,
    anchors: QuerySet | None = None,
    key_from: Callable[[str], object] = uuid.UUID,
) -> Page:
    """The page of ``queryset`` that ``params`` asks for.

    ``order`` is a field with an optional minus, ``key`` a unique field that settles ties
    in the same direction; both may follow relations (``a__b``) and are never null.
    ``params`` (a query string) has ``after`` or ``before`` with the key of a row; one that
    is unknown, or not in ``queryset``, gives the first page. Three queries at most.
    ``anchors`` is where that row is looked for when rows leave ``queryset`` (a row that was
    judged still says where the next page began). ``key_from`` makes a key of its text, or
    raises ``ValueError``.
    """
    anchors = queryset if anchors is None else anchors
    descending = order.startswith("-")
    field = order.removeprefix("-")
    anchor, backwards = None, False
    for name in ("after", "before"):
        if value := _key(params.get(name), key_from):
            anchor = anchors.order_by().filter(**{key: value}).values_list(field, key).first()
            backwards = name == "before" and anchor is not None
            break
    if anchor:
        beyond = "lt" if descending != backwards else "gt"
        # The first condition is implied by the second; it is what the index understands.
        queryset = queryset.filter(**{f"{field}__{beyond}e": anchor[0]}).filter(
            Q(**{f"{field}__{beyond}": anchor[0]})
            | Q(**{field: anchor[0], f"{key}__{beyond}": anchor[1]})
        )
    ordered = [F(name).desc() if descending != backwards else F(name) for name in (field, key)]
    # Keys first, rows by key: what the database sorts or walks is then narrow.
    keys = list(queryset.order_by(*ordered).values_list(key, flat=True)[: size + 1])
    more = len(keys) > size
    keys = keys[:size]
    if backwards:
        keys.reverse()
    key_of = attrgetter(key.replace("__", "."))
    found = {key_of(row): row for row in queryset.filter(**{f"{key}__in": keys})} if keys else {}
    rows = [found[key] for key in keys if key in found]
    has_next = bool(rows) and (backwards or more)
    has_previous = bool(rows) and (more if backwards else anchor is not None)
    return Page(
        rows=rows,
        after=key_of(rows[-1]) if has_next else None,
        before=key_of(rows[0]) if has_previous else None,
    )


def _key(text: str | None, key_from: Callable[[str], object]) -> object | None:
    try:
        return key_from(text) if text else None
    except ValueError:
        return None
