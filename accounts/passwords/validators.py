"""Password validators (``AUTH_PASSWORD_VALIDATORS``)."""

from __future__ import annotations

import re
import unicodedata

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from .breached import BreachedFileError, breached_count
from .words import FRENCH, PROJECT

log = structlog.get_logger(__name__)

# A sentence of that many words is a password, even if each one is common.
WORDS = 4
# Letters and digits that must be left beside common words and a date.
LEFT = 4
# A date or a year at an end or between the words adds nothing.
DIGITS = re.compile(r"(?<![0-9])[0-9]{1,8}(?![0-9])")
SHORTEST = 3


class BreachedPasswordValidator:
    """Refuses what stands in the file of ``BREACHED_PASSWORDS_FILE``, however rarely.

    Without a file that can be used it refuses nothing: Django's common list is beside it.
    """

    def validate(self, password: str, user=None) -> None:
        path = settings.BREACHED_PASSWORDS_FILE
        if not path:
            return
        try:
            count = breached_count(path, password)
        except BreachedFileError as error:
            log.error("breached_passwords_unusable", reason=str(error))
            return
        if count:
            raise ValidationError(
                _(
                    "This password is in a list of passwords that became known somewhere. "
                    "Choose one that you use nowhere else."
                ),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return _("Your password must not be one that became known somewhere.")


class OwnWordsValidator:
    """Refuses passwords of nothing but common French words, the project's name and the
    account's own names, address and registration number, with digits and signs around."""

    def validate(self, password: str, user=None) -> None:
        if _is_easy(_folded(password), FRENCH | PROJECT | _own_words(user)):
            raise ValidationError(
                _(
                    "This password is made of words that are easy to guess, such as a name, "
                    "an address or a common word. Add words that have nothing to do with them."
                ),
                code="password_of_own_words",
            )

    def get_help_text(self) -> str:
        return _(
            "Your password must not be made of your name, your address, your registration "
            "number or common words alone."
        )


def _folded(text: str) -> str:
    """Without case, accents and width: ``ＭÉdecin`` is ``medecin``."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _own_words(user) -> set[str]:
    words: set[str] = set()
    for name in ("first_name", "last_name", "email", "registration_number"):
        text = _folded(str(getattr(user, name, None) or ""))
        words.add(re.sub(r"[\W_]+", "", text))
        words.update(re.split(r"[\W_]+", text))
    return {word for word in words if len(word) >= SHORTEST}


def _is_easy(text: str, words: frozenset[str] | set[str]) -> bool:
    """Is less than ``LEFT`` left of ``text`` without fewer than ``WORDS`` different words?"""
    bare = re.sub(r"[\W_]+", "", text)
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
    taken = set(pattern.findall(bare))
    left = re.sub(r"\s", "", DIGITS.sub("", pattern.sub(" ", bare)))
    return 0 < len(taken) < WORDS and len(left) < LEFT
