"""The browsers from which an account has logged in before: a signed cookie, and no table.

The cookie holds one keyed hash for each account that has logged in with this browser, so it
tells nobody which ones, and nobody can make one.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

SALT = "accounts.sessions.devices"
ACCOUNTS = 8  # of a shared computer, the latest
SECONDS = 365 * 24 * 3600
# Each pretends to be those that come after it.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
BROWSERS |= {"Safari": "Safari", "curl": "curl"}
SYSTEMS = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad"}
SYSTEMS |= {"Mac OS": "macOS", "Linux": "Linux"}


def device_is_known(request: HttpRequest, account) -> bool:
    """Whether ``account`` has logged in with this browser before; from now on it has."""
    mark, marks = _mark(account), _marks(request)
    request.device_marks = [mark, *(other for other in marks if other != mark)][:ACCOUNTS]
    return mark in marks


def device_remember(request: HttpRequest, response: HttpResponse) -> None:
    """Give the browser the cookie, if somebody has just logged in."""
    marks = getattr(request, "device_marks", None)
    if marks:
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            signing.dumps(marks, salt=SALT),
            max_age=SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def _mark(account) -> str:
    return salted_hmac(SALT, f"{account.pk}:{account.date_joined.isoformat()}").hexdigest()[:32]


def _marks(request: HttpRequest) -> list[str]:
    try:
        return signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=SECONDS
        )
    except signing.BadSignature:
        return []


def device_describe(user_agent: str) -> str:
    """Browser and system as people call them, such as ``Firefox, Linux``; maybe empty.

    What browsers say of themselves is no proof, so this is a help to the memory and no more.
    """
    found = [
        next((name for sign, name in signs.items() if sign in user_agent), None)
        for signs in (BROWSERS, SYSTEMS)
    ]
    return ", ".join(name for name in found if name)
