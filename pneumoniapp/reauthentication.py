"""What cannot be undone is done by who has just proved who they are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

SECRET = re.compile(r"pass(word|phrase|wd|code)|secret", re.IGNORECASE)


def authenticated_lately(request: HttpRequest) -> bool:
    """Whether this session has given a password or a second factor within
    ``REAUTHENTICATION_SECONDS``."""
    since = time.time() - settings.REAUTHENTICATION_SECONDS
    records = get_authentication_records(request, request.user)
    return any(record.get("at", 0) > since for record in records)


def reauthentication_check(request: HttpRequest) -> None:
    """Raise what sends the page to where the password or a code is asked for once more.

    allauth's middleware catches it. A form that was sent is kept in the session, encrypted
    (``accounts.sessions.waiting``), and goes on by itself afterwards, with its address's query.
    One with a file or a password is not kept: it is filled in again.
    """
    if authenticated_lately(request):
        return
    if request.method != "POST":
        raise ReauthenticationRequired
    methods = get_adapter().get_reauthentication_methods(request.user)
    address = methods[0]["url"] if methods else reverse("account_login")
    back = request.get_full_path()
    if not request.FILES and not has_secret(request.POST):
        suspend_request(request, address)
        # allauth goes on with the kept form only if this is its bare path; the query is kept
        # with the form.
        back = request.path
    query = urlencode({REDIRECT_FIELD_NAME: back})
    raise ImmediateHttpResponse(HttpResponseRedirect(f"{address}?{query}"))


def has_secret(given: QueryDict) -> bool:
    """Whether a form has a field for a password."""
    return any(SECRET.search(name) for name in given)


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
