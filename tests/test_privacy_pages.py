"""The page on privacy says the same in both languages, as far as a program can see it."""

import re
from pathlib import Path

import pytest
from django.apps import apps

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


# --- How long things are kept ---------------------------------------------------------------

DEFAULT = re.compile(r"`([A-Z_]+)` \((\d+)\)")
# What a setting is called where its name in the settings is another one.
NAMES = {
    "EMAIL_CONFIRMATION_DAYS": "ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS",
    "SESSION_SECONDS": "SESSION_COOKIE_AGE",
}


@pytest.mark.parametrize("name", ["privacy.md", "privacy.fr.md"])
def test_every_table_is_told_once(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    told = re.findall(r"`([a-z]+\.[A-Z]\w+)`", text)
    assert sorted(told) == sorted(model._meta.label for model in apps.get_models())


@pytest.mark.parametrize("name", ["privacy.md", "privacy.fr.md"])
def test_the_defaults_are_those_of_the_settings(name, settings):
    """As the environment leaves them: ``tests`` set none of these."""
    found = DEFAULT.findall((DOCS / name).read_text(encoding="utf-8"))
    assert len(found) == 8
    for setting, value in found:
        assert (setting, getattr(settings, NAMES.get(setting, setting))) == (setting, int(value))
    assert list(settings.BACKUP_KEEP) == [7, 4, 12]
