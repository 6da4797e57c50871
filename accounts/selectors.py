"""Reads of accounts."""

from __future__ import annotations

from .models import Doctor
from .validators import email_normalize, registration_number_normalize


def address_normalize(text: str) -> str:
    """The one spelling of an e-mail address or of a registration number."""
    return email_normalize(text) if "@" in text else registration_number_normalize(text)


def colleague_find(address: str) -> Doctor | None:
    """The doctor with this e-mail address or registration number who may practise now.

    What came of it must not show to whoever asked.
    """
    address = address_normalize(address)
    field = "email" if "@" in address else "registration_number"
    found = Doctor.objects.filter(**{field: address}, is_staff=False, is_service=False).first()
    return found if found is not None and found.may_practise else None
