"""A form that waits until the password or a code was given once more.

allauth keeps the whole request in the session, and the session is a row of the database: what
was typed, headers, cookies. Here it is made small and encrypted before it gets there, for
``WAITING_FORM_SECONDS``, and taken away when it is used, after too many wrong passwords, and
with the session. What has a password in it is not kept at all.
"""

from __future__ import annotations

import base64
import json
import re
import time

from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _

from operations.backup.keys import key_secret
from operations.encryption.keys import FileKey
from pneumoniapp.reauthentication import has_secret

STATE = STATE_SESSION_KEY
SEALED = "waiting_form"
# A form was here and is gone unused: whoever sent it is told.
LAPSED = "form_lapsed"
USE = b"waiting form 1"
# So many wrong passwords or codes take the form away.
TRIES = 3
ASKING = frozenset({"account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"})
# What a view needs to go on; no cookie, no credentials, nothing of the server's environment.
NAMES = re.compile(
    r"HTTP_(?!COOKIE|AUTHORIZATION|PROXY_AUTHORIZATION|X_CSRF)\w+|REMOTE_ADDR|SERVER_\w+|"
    r"SCRIPT_NAME|PATH_INFO|QUERY_STRING|REQUEST_METHOD|CONTENT_\w+|CSRF_COOKIE|wsgi\.url_scheme"
)


def form_seal(state: dict) -> str:
    """``state``, as allauth keeps it, for the database; empty for what is not kept."""
    state.setdefault("since", int(time.time()))
    if "request" in state:
        request = json.loads(state["request"])
        posted = QueryDict(request["POST"], mutable=True)
        if has_secret(posted):
            return ""
        posted.pop("csrfmiddlewaretoken", None)
        meta = {k: v for k, v in request["META"].items() if NAMES.fullmatch(k)}
        kept = json.dumps(request | {"POST": posted.urlencode(), "META": meta})
        state = state | {"request": kept}
    return _fernet().encrypt(json.dumps(state).encode()).decode()


def form_unseal(text: str) -> dict | None:
    """What was sealed, unless its time is over or its key is gone."""
    try:
        state = json.loads(_fernet().decrypt(text.encode()))
    except InvalidToken:
        return None
    return state if time.time() - state["since"] <= settings.WAITING_FORM_SECONDS else None


def form_refuse(request: HttpRequest, response: HttpResponse) -> None:
    """Count a wrong password or code; the form is taken away at the third, and at once where
    no more are let through (429). Who then gives the right one is told that nothing was done."""
    match = request.resolver_match
    if request.method != "POST" or not match or match.view_name not in ASKING:
        return
    state = request.session.get(STATE)
    if not state:  # it went on, or it is gone
        if response.status_code == 302 and request.session.pop(LAPSED, False):
            text = _("What you sent before was no longer kept: nothing was done. Send it again.")
            messages.warning(request, text)
        return
    state["tries"] = state.get("tries", 0) + 1
    request.session.modified = True
    if state["tries"] >= TRIES or response.status_code == 429:
        del request.session[STATE]
        request.session[LAPSED] = True


def _fernet() -> MultiFernet:
    """The keys of the stored files, the first one seals; without any, the program's own."""
    files = [FileKey(secret) for text in settings.FILE_KEYS if (secret := key_secret(text))]
    keys = [key.derive(USE) for key in files]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        info = b"pneumoniapp " + USE
        keys.append(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode())
        )
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
