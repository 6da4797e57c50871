"""Kombu's Redis transport with one repair: a busy worker outlives its broker.

When Redis goes away while a worker holds messages, Celery 5.7 tears the lost connection
down and later still acknowledges or puts back those messages through it. Kombu 5.7 then
raises an ``AttributeError``, which ends the worker; it should be the connection error
that both know how to treat. ``tests/services`` fails without this module; drop it when it
doesn't.
"""

from __future__ import annotations

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict:
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker was closed")
        return super()._connparams(asynchronous=asynchronous)


class Transport(redis.Transport):
    Channel = Channel
