"""The world that every walk asks about is the one of ``tests.test_access``."""

from tests.test_access import world  # noqa: F401
