"""Answers that take as long whatever they found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Large beside what the two ways of an answer differ by, small for whoever waits.
STEP_SECONDS = 0.05


@contextmanager
def evenly() -> Iterator[None]:
    """The block takes a whole multiple of ``STEP_SECONDS``: what is left of it is waited."""
    start = time.monotonic()
    try:
        yield
    finally:
        time.sleep(STEP_SECONDS - (time.monotonic() - start) % STEP_SECONDS)
