"""Waiting for readings: one small question to the database for all who wait in a process.

A reading is finished by another process. If each waiting request asked for its own, their
questions would take more of the processors than the readings. So one of the waiting
requests asks for all of them; when its own is finished it passes this on to another.
"""

from __future__ import annotations

import threading
import time
import uuid

from .selectors import finished_analyses

# Seconds between two questions: short while somebody has waited for a short time only.
SHORTEST_PAUSE, LONGEST_PAUSE, SHARE_OF_AGE = 0.005, 0.25, 0.15


class _Ticket:
    def __init__(self, analysis_id: uuid.UUID, now: float) -> None:
        self.analysis_id, self.since = analysis_id, now
        self.finished = False
        # Set when the ticket's reading is finished, or when it is its turn to ask.
        self.news = threading.Event()


_lock = threading.Lock()
_tickets: list[_Ticket] = []
_asker: _Ticket | None = None


def wait_until_finished(analysis_id: uuid.UUID, seconds: float) -> bool:
    """Whether an analysis was done or failed within ``seconds`` from now.

    Call it outside any transaction: inside one, what others commit may not be seen.
    """
    global _asker
    ticket = _Ticket(analysis_id, time.monotonic())
    end = ticket.since + seconds
    with _lock:
        _tickets.append(ticket)
        if _asker is None:
            _asker = ticket
    try:
        while not ticket.finished and (left := end - time.monotonic()) > 0:
            if _asker is ticket:
                time.sleep(min(_pause(), left))
                _ask()
            else:
                ticket.news.wait(left)
                ticket.news.clear()
        return ticket.finished
    finally:
        with _lock:
            _tickets.remove(ticket)
            if _asker is ticket:
                _asker = _tickets[-1] if _tickets else None
                if _asker is not None:
                    _asker.news.set()


def _pause() -> float:
    with _lock:
        youngest = max(ticket.since for ticket in _tickets)
    age = time.monotonic() - youngest
    return min(max(SHORTEST_PAUSE, SHARE_OF_AGE * age), LONGEST_PAUSE)


def _ask() -> None:
    with _lock:
        asked = [ticket for ticket in _tickets if not ticket.finished]
    finished = finished_analyses({ticket.analysis_id for ticket in asked})
    for ticket in asked:
        if ticket.analysis_id in finished:
            ticket.finished = True
            ticket.news.set()
