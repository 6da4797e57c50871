"""An app's code is used once."""

from __future__ import annotations

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from django.db import transaction


@transaction.atomic
def code_use(*, authenticator: Authenticator, code: str) -> bool:
    """Whether this is the first use of a right code; an app's is used up with all before it.

    RFC 6238 section 5.2: a code is accepted for as many steps as the tolerance allows, but once.
    The row remembers it, so that no cache has to. A recovery code is used up by allauth.
    """
    if authenticator.type != Authenticator.Type.TOTP:
        return True
    app = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
    secret = decrypt(app.data["secret"])
    right = [
        step
        for step in yield_hotp_counters_from_time()
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step)))
    ]
    if not right or right[0] <= app.data.get("used_step", -1):
        return False
    app.data["used_step"] = right[0]
    app.save(update_fields=["data"])
    return True
