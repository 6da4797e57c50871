"""What cannot be undone is done by who has just proved who they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest


def authenticated_lately(request: HttpRequest) -> bool:
    """Whether this session has given a password or a second factor within
    ``REAUTHENTICATION_SECONDS``."""
    since = time.time() - settings.REAUTHENTICATION_SECONDS
    records = get_authentication_records(request, request.user)
    return any(record.get("at", 0) > since for record in records)


def reauthentication_check(request: HttpRequest) -> None:
    """Raise what sends the page to where the password or a code is asked for once more.

    allauth's middleware catches it. A form that was sent is kept in the session and goes on
    by itself afterwards, unless its address has a query.
    """
    if not authenticated_lately(request):
        raise ReauthenticationRequired


def reauthenticated(view: Callable) -> Callable:
    """Decorates a page, or an action of the admin, that asks first; see the check above.

    A page that is only looked at (``GET``) does not ask.
    """

    @wraps(view)
    def checked(*args, **kwargs):
        request = next(value for value in args if isinstance(value, HttpRequest))
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            reauthentication_check(request)
        return view(*args, **kwargs)

    return checked
