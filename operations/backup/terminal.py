"""How far a command has come, on one line of a terminal."""

from __future__ import annotations

import time


class Line:
    """Rewrites one line of ``out`` a few times a second; silent where nobody looks."""

    def __init__(self, out) -> None:
        self.out, self.last, self.is_shown = out, 0.0, bool(getattr(out, "isatty", bool)())

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self.is_shown and now - self.last > 0.2:
            self.last = now
            far = f" {done} / {total}" if total else f" {done}" if done else ""
            self._write(f"{step}{far}")

    def end(self) -> None:
        if self.is_shown:
            self._write("")

    def _write(self, text: str) -> None:
        self.out.write(f"\r{text[:78]:<78}\r", ending="")
        self.out.flush()


def size_text(number: int) -> str:
    """``1_700`` -> ``1.7 kB``: the same in every language."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"
