"""The page on privacy says the same in both languages, as far as a program can see it."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def parts(name: str) -> list[str]:
    return re.split(r"(?m)^## .*$", (DOCS / name).read_text(encoding="utf-8"))


ENGLISH, FRENCH = parts("privacy.md"), parts("privacy.fr.md")
WHAT = {
    "tables": r"(?m)^\|---[-|]*\|$",
    "rows": r"(?m)^\|",
    "list entries": r"(?m)^- ",
    "settings": r"`[A-Z]+(?:_[A-Z]+)+",
    "commands": r"manage\.py [a-z]+",
    "tests": r"`tests/[a-z_/]+\.py`",
    "bracketed places": r"(?<!\])\[[^]]+\](?!\()",
    "articles": r"(?:R|L)?\b\d+(?:-\d+|\(\d\)\([a-z]\))",
}


def test_both_have_the_same_headings():
    assert len(ENGLISH) == len(FRENCH) > 8


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("number", range(len(ENGLISH)))
def test_each_part_has_the_same(number, what):
    english, french = (re.findall(WHAT[what], page[number]) for page in (ENGLISH, FRENCH))
    if what == "bracketed places":
        english, french = len(english), len(french)
    else:
        english, french = sorted(english), sorted(french)
    assert english == french
