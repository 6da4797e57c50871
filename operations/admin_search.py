"""What an administrator looks for stands in no address: it is sent in a body, and then sealed.

Django's own search puts the words into the query string, from where they get into histories,
logs of proxies and every link of the page. Here the form is a POST, answered by a redirect to
the list with the words encrypted: paging, sorting, filters and going back work as before.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect

USE = b"pneumoniapp admin search 1"
LONGEST = 254
# The field by which a search is told from an action; templates/admin/search_form.html has it.
MARK = "_search"
NOT_ASKED = (MARK, "csrfmiddlewaretoken")


def seal(words: str) -> str:
    """``words`` for an address: nobody without ``SECRET_KEY`` reads them there."""
    return _fernet().encrypt(words.strip()[:LONGEST].encode()).decode()


def unseal(text: str) -> str:
    """What was sealed; anything else as it is."""
    try:
        return _fernet().decrypt(text.encode()).decode()
    except InvalidToken:
        return text


def _fernet() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=USE).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)


class SealedChangeList(ChangeList):
    """Its parameters, and so all its links, have the words sealed; ``query`` is what they say."""

    def get_queryset(self, request, exclude_parameters=None):
        self.query = unseal(self.query)
        return super().get_queryset(request, exclude_parameters)


class SealedSearch(admin.ModelAdmin):
    """An admin whose search, and whatever else is in ``sealed_parameters``, is sealed."""

    sealed_parameters: tuple[str, ...] = (SEARCH_VAR,)

    def get_changelist(self, request: HttpRequest, **kwargs) -> type[ChangeList]:
        return SealedChangeList

    def changelist_view(self, request: HttpRequest, extra_context=None) -> HttpResponse:
        if request.method == "POST" and MARK in request.POST:
            asked = self.sealed(request.POST).urlencode()
            return redirect(f"{request.path}?{asked}" if asked else request.path)
        if request.method in ("GET", "HEAD"):
            # Typed into the address line by hand: at least no link repeats it.
            request.GET = self.sealed(request.GET)
        return super().changelist_view(request, extra_context)

    def sealed(self, given: QueryDict) -> QueryDict:
        """``given`` with the words sealed, without what is empty."""
        asked = given.copy()
        for name in NOT_ASKED:
            asked.pop(name, None)
        for name in self.sealed_parameters:
            if name in asked:
                words = unseal(asked[name])
                asked[name] = seal(words) if words.strip() else ""
        for name in [name for name in asked if not asked[name]]:
            del asked[name]
        return asked
