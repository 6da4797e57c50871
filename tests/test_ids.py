"""Identifiers: valid, in the order of time, not to be guessed."""

import time
import uuid

import pytest

from pneumoniapp.ids import uuid7


def test_it_is_a_version_7_uuid_of_now():
    made = uuid7()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((made.int >> 80) - time.time() * 1000) < 60_000


@pytest.mark.parametrize("nanoseconds", [0, 1, 244_140, 500_000, 999_999])
def test_later_ones_sort_after_earlier_ones(monkeypatch, nanoseconds):
    moment = 1_800_000_000_000_000_000 + nanoseconds
    monkeypatch.setattr(time, "time_ns", lambda: moment)
    earlier = [uuid7() for _ in range(50)]
    monkeypatch.setattr(time, "time_ns", lambda: moment + 1_000)
    later = [uuid7() for _ in range(50)]
    assert max(earlier) < min(later)
    assert all((made.version, made.variant) == (7, uuid.RFC_4122) for made in earlier + later)


def test_those_of_one_moment_differ(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    assert len({uuid7() for _ in range(10_000)}) == 10_000
