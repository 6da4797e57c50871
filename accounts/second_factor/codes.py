"""The code of a second factor where there is no page to ask for it: over REST."""

from __future__ import annotations

from accounts.errors import SecondFactorCodeError, SecondFactorRequiredError
from accounts.models import Doctor

from .forms import AuthenticateForm
from .selectors import has_second_factor


def code_check(*, doctor: Doctor, code: str) -> None:
    """Nothing if ``doctor`` has no second factor or ``code`` is one of theirs, which it uses up.

    Raises :exc:`SecondFactorRequiredError` without a code and :exc:`SecondFactorCodeError` for a
    wrong one; wrong ones count together with those of the pages.
    """
    if not has_second_factor(doctor):
        return
    if not code:
        raise SecondFactorRequiredError
    form = AuthenticateForm({"code": code}, user=doctor)
    if not form.is_valid():
        raise SecondFactorCodeError
    form.authenticator.record_usage()
