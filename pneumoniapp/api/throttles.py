"""How often one caller may ask, by the rates of the settings.

A window has a fixed length and a counter in the cache: one atomic step a request,
however high the rate is. With several processes or machines the cache must be shared
(``CACHE_URL``), else each process counts for itself.
"""

from __future__ import annotations

import hashlib
import time

import structlog
from django.conf import settings
from django.core.cache import cache
from rest_framework.throttling import BaseThrottle

log = structlog.get_logger(__name__)

PERIODS = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}


def parse_rate(rate: str) -> tuple[int, int]:
    """``"600/min"`` as (600 requests, 60 seconds); raises ``ValueError`` for anything else."""
    number, _, period = rate.partition("/")
    if period not in PERIODS or not number.isdigit():
        raise ValueError(f"{rate!r} is not a rate such as 600/min")
    return int(number), PERIODS[period]


class WindowThrottle(BaseThrottle):
    """``settings.API_THROTTLES[scope]`` requests a window for each :meth:`caller`."""

    scope: str

    def caller(self, request) -> str | None:
        """Who is counted; ``None`` if this throttle does not apply."""
        raise NotImplementedError

    def allow_request(self, request, view) -> bool:
        caller = self.caller(request)
        if caller is None:
            return True
        limit, seconds = parse_rate(settings.API_THROTTLES[self.scope])
        window, self.elapsed = divmod(time.time(), seconds)
        self.seconds = seconds
        key = f"throttle:{self.scope}:{int(window)}:{hashlib.sha256(caller.encode()).hexdigest()}"
        return self._count(key, seconds) <= limit

    @staticmethod
    def _count(key: str, seconds: int) -> int:
        """The requests of this window, this one included; 0 where nothing can be counted."""
        try:
            try:
                return cache.incr(key)
            except ValueError:  # the first of this window
                return 1 if cache.add(key, 1, timeout=seconds) else cache.incr(key)
        except ValueError:  # the window ended between the two calls
            return 1
        except Exception:
            # A cache that is down must not stop readings.
            log.warning("throttle_cache_unreachable", exc_info=True)
            return 0

    def wait(self) -> int:
        return int(self.seconds - self.elapsed) + 1


class DoctorThrottle(WindowThrottle):
    scope = "user"

    def caller(self, request) -> str | None:
        return str(request.user.pk) if request.user.is_authenticated else None


class AnonymousThrottle(WindowThrottle):
    scope = "anon"

    def caller(self, request) -> str | None:
        return None if request.user.is_authenticated else self.get_ident(request)


class GuessThrottle(WindowThrottle):
    """Tokens that are none, by network address; asked by whoever looks tokens up."""

    scope = "guess"

    def caller(self, request) -> str | None:
        return self.get_ident(request)


class TokenThrottle(WindowThrottle):
    """Attempts to get a token, by network address."""

    scope = "token"

    def caller(self, request) -> str | None:
        return self.get_ident(request)
