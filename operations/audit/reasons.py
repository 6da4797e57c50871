"""Why a look was possible at all, asked of the apps whose rules allow it.

An app registers what finds the reason for an account and a patient's key. It is asked with
every recorded look at a patient, so it must cost whom it does not concern no query.
"""

from __future__ import annotations

from collections.abc import Callable

Finder = Callable[[object, str], str]
_finders: dict[str, Finder] = {}


def reason_register(name: str, find: Finder) -> None:
    """``find(actor, patient_key)`` gives a reason, see ``AccessEvent.reason``, or ``""``."""
    _finders[name] = find


def reason_of(actor, patient: str) -> str:
    """By what ``actor``, an account or ``None``, gets to look at ``patient``, where it is not
    simply theirs."""
    if actor is None or not patient:
        return ""
    return next((reason for find in _finders.values() if (reason := find(actor, patient))), "")
