"""Statements without values: what is kept, shown and explained."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 4000
KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH")
TEXT = re.compile(r"'(?:[^']|'')*'")
# Not a digit of a name (T4, "date_2"), of a parameter or of a longer number.
NUMBER = re.compile(r"""(?<![\w"`.%])\d+(?:\.\d+)?(?![\w"`])""")
LIST = re.compile(r"\bIN \(%s(?:, ?%s)+\)")
ROWS = re.compile(r"(VALUES \([^()]*\))(?:, ?\([^()]*\))+")


@lru_cache(maxsize=512)
def normal(sql: str) -> str:
    """``sql`` with ``%s`` in place of every value, and lists of any length as one.

    Django hands values over beside the statement; texts and numbers that stand in it (a
    limit, SQL written by hand) go here. Empty for what is no query: savepoints and the like.
    """
    if not sql.lstrip().upper().startswith(KINDS):
        return ""
    text = NUMBER.sub("%s", TEXT.sub("%s", sql))
    text = " ".join(text.split())
    return ROWS.sub(r"\1", LIST.sub("IN (%s)", text))[:LONGEST]
