"""The keyed hashes of the record of access, and the columns that hold them.

Each event carries two values of HMAC-SHA-256 (RFC 2104), 64 hexadecimal digits each:

- ``digest`` of its content, made where the event happens and written with the row;
- ``chain`` of its position, its primary key, its digest and the ``chain`` of the event
  before it, made when it is sealed (``operations.audit.sealing``).

The key is none of the database: who can write there and no more can make neither.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from functools import lru_cache

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

# The columns in the order in which they are hashed. Another order or another column is
# another format: it needs another version.
VERSION = 1
CONTENT = (
    "at",
    "actor_id",
    "action",
    "object_type",
    "object_id",
    "patient",
    "count",
    "channel",
    "reason",
    "route",
    "address",
    "request_id",
)
# What the first event of all takes for the chain of the one before it.
BEGINNING = "0" * 64
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


def keys() -> tuple[bytes, ...]:
    """The keys, the one that writes first; see ``AUDIT_KEYS``."""
    given = settings.AUDIT_KEYS or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return _derived(tuple(given))


@lru_cache(maxsize=8)
def _derived(given: tuple[str, ...]) -> tuple[bytes, ...]:
    purpose = b"pneumoniapp audit 1"
    return tuple(hmac.digest(text.encode(), purpose, hashlib.sha256) for text in given)


def digest(key: bytes, content: tuple) -> str:
    """The keyed hash of the values of :data:`CONTENT`, in that order."""
    at, *rest = content
    # Whole microseconds: what every engine keeps.
    text = _encode([VERSION, (at - _EPOCH) // dt.timedelta(microseconds=1), *rest])
    return hmac.digest(key, text.encode(), "sha256").hex()


def link(key: bytes, *, before: str, position: int, pk: int, digest: str) -> str:
    """The keyed hash that binds one event to its place behind another."""
    return hmac.digest(key, f"{before}:{position}:{pk}:{digest}".encode(), "sha256").hex()


def digest_of(event) -> str:
    """What ``event.digest`` has to be under the key that writes now."""
    return digest(keys()[0], tuple(getattr(event, name) for name in CONTENT))


class HashField(models.CharField):
    """64 hexadecimal digits; empty until they are known."""

    def __init__(self, verbose_name=None, **kwargs) -> None:
        kwargs |= {"max_length": 64, "blank": True, "default": "", "editable": False}
        super().__init__(verbose_name, **kwargs)


class DigestField(HashField):
    """The digest of its row, computed whenever a row is inserted, one or many.

    A restore inserts rows as they were and comes not through here.
    """

    def __init__(self, verbose_name=None, **kwargs) -> None:
        super().__init__(verbose_name or _("digest"), **kwargs)

    def pre_save(self, event, add: bool) -> str:
        if add:
            event.digest = digest_of(event)
        return super().pre_save(event, add)
