"""Whether this installation can do its work: a set of named checks, each with a short limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from django.db import connections

Check = Callable[[], dict]

# Seconds that one check may take; all of them run side by side.
LIMIT = 3.0
# Seconds for which an answer is given again: anybody may ask, as often as they like.
KEEP = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Entry:
    check: Check
    # Held while the check runs: one that hangs is never started a second time.
    running: threading.Lock = field(default_factory=threading.Lock)


_entries: dict[str, _Entry] = {}
_last: list = []
_last_lock = threading.Lock()


def register(name: str, check: Check) -> None:
    """Let ``/health/ready`` run ``check`` as ``name``; call it from ``AppConfig.ready``.

    ``check`` takes nothing and returns facts that anybody may see, JSON-ready and without
    secrets, such as ``{"oldest_queued_seconds": 3.2}``. ``{"ok": False, ...}`` says that
    the installation is not ready; so does an exception, whose text is logged and not shown.
    It runs in a thread of its own, whose database connection is closed after it.
    """
    _entries[name] = _Entry(check)


def unregister(name: str) -> None:
    """Forget the check ``name``, if it is known."""
    _entries.pop(name, None)


def run_checks(limit: float = LIMIT) -> tuple[bool, dict[str, dict]]:
    """Run every check side by side: whether all passed, and each one's facts.

    Each answer has ``ok`` and ``milliseconds``; a check that took longer than ``limit``
    seconds has ``"timeout": True``.
    """
    results: dict[str, dict] = {}
    threads = {}
    for name, entry in sorted(_entries.items()):
        threads[name] = threading.Thread(
            target=_run, args=(name, entry, results), name=f"health-{name}", daemon=True
        )
        threads[name].start()
    deadline = time.monotonic() + limit
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    answers = {name: dict(results.get(name) or {"ok": False, "timeout": True}) for name in threads}
    return all(answer["ok"] for answer in answers.values()), answers


def readiness() -> tuple[bool, dict[str, dict]]:
    """The answer of :func:`run_checks`, at most ``KEEP`` seconds old."""
    with _last_lock:
        if not _last or time.monotonic() - _last[0] > KEEP:
            answer = run_checks()
            _last[:] = [time.monotonic(), answer]
        return _last[1]


def _run(name: str, entry: _Entry, results: dict[str, dict]) -> None:
    if not entry.running.acquire(blocking=False):
        return  # It hangs since an earlier call: the caller reports a timeout.
    started = time.monotonic()
    try:
        facts = {"ok": True, **entry.check()}
    except Exception:
        log.warning("health_check_failed", check=name, exc_info=True)
        facts = {"ok": False}
    finally:
        connections.close_all()
        entry.running.release()
    results[name] = facts | {"milliseconds": round(1000 * (time.monotonic() - started), 1)}
