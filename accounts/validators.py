"""What a doctor's names and registration number must look like."""

from __future__ import annotations

import re
import unicodedata

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

_NAME = re.compile(r"[^\W\d_]+(?:[ '’\-]+[^\W\d_]+)*[.]?")


def validate_person_name(value: str) -> None:
    """Accept letters of any script with accents, spaces, hyphens and apostrophes."""
    if not _NAME.fullmatch(unicodedata.normalize("NFC", value).strip()):
        raise ValidationError(
            _("Use letters, spaces, hyphens and apostrophes only."), code="invalid_name"
        )


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
