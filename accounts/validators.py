"""What a doctor's names, e-mail address and registration number must look like.

The ``*_normalize`` functions give each value its one spelling, so that a unique index
means the same on every database, whatever its collation.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.encoding import punycode
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

# A name by the kinds of its characters (see ``_kind``): words of letters, each letter with
# at most four marks that have no composed form, joined by one or two separators; one
# apostrophe may come first ('t Hooft).
_NAME = re.compile(r"'?LM{0,4}(?:[ '-]{0,2}LM{0,4})*")
_SEPARATORS = {" ": " ", "'": "'", "’": "'", "-": "-", "\u2010": "-", "\u2011": "-"}


def name_normalize(value: str) -> str:
    """Composed characters (NFC), single spaces, none at the ends; the case is the doctor's own."""
    return " ".join(unicodedata.normalize("NFC", value).split())


def validate_person_name(value: str) -> None:
    """Accept letters of any script with accents, spaces, hyphens and apostrophes."""
    if not _NAME.fullmatch("".join(map(_kind, value))):
        raise ValidationError(
            _("Use letters, spaces, hyphens and apostrophes only."), code="invalid_name"
        )


def _kind(character: str) -> str:
    category = unicodedata.category(character)[0]
    return category if category in "LM" else _SEPARATORS.get(character, "?")


def email_normalize(value: str) -> str:
    """Lower case, the domain in ASCII (IDNA), no space around; junk is left to the validator."""
    local, at, domain = value.strip().lower().rpartition("@")
    with suppress(UnicodeError):
        domain = punycode(domain)
    return f"{local}{at}{domain}"


def validate_ascii_email(value: str) -> None:
    """Refuse what databases compare in different ways: a normalised address is ASCII."""
    if not value.isascii():
        raise ValidationError(
            _("Use an e-mail address without accents or other special letters."),
            code="invalid_email",
        )


def registration_number_normalize(value: str) -> str:
    """Without any space, in plain (NFKC) capital letters and digits."""
    return "".join(unicodedata.normalize("NFKC", value).split()).upper()


def luhn_is_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn key of those before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def validate_rpps(value: str) -> None:
    """Accept a French RPPS number: 11 digits, the last one a Luhn key."""
    if not re.fullmatch(r"[0-9]{11}", value):
        raise ValidationError(
            _("A registration number (RPPS) has 11 digits."), code="invalid_registration_number"
        )
    if not luhn_is_valid(value):
        raise ValidationError(
            _("This registration number's check digit is wrong: look for a mistyped digit."),
            code="wrong_check_digit",
        )


def validate_registration_number(value: str) -> None:
    """Call the validator that the setting ``REGISTRATION_NUMBER_VALIDATOR`` names."""
    import_string(settings.REGISTRATION_NUMBER_VALIDATOR)(value)
