"""Redis as the cache, with a counter that takes one step."""

from __future__ import annotations

from django.core.cache.backends.redis import RedisCache, RedisCacheClient


class CountingClient(RedisCacheClient):
    def incr(self, key: str, delta: int) -> int:
        """As Django's, with one command instead of two; raises ``ValueError`` for no such key."""
        client = self.get_client(key, write=True)
        count = client.incr(key, delta)
        if count == delta and client.ttl(key) == -1:
            # It was not there: Redis has begun it, and it would stay for ever.
            client.delete(key)
            raise ValueError(f"Key {key!r} not found.")
        return count


class CountingRedisCache(RedisCache):
    """Django's Redis cache. Its counters are for keys with a time limit."""

    def __init__(self, server, params) -> None:
        super().__init__(server, params)
        self._class = CountingClient
