"""How long one statement took, many times over, in little room."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Times fall into classes whose bounds grow by 2^(1/4): a percentile is right within 19 %.
STEPS = 4


@dataclass
class Tally:
    """``count`` times of a statement: their sum and the longest in µs, and how many a class."""

    count: int = 0
    total: int = 0
    longest: int = 0
    classes: dict[str, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        micros = max(1, round(seconds * 1_000_000))
        self.count += 1
        self.total += micros
        self.longest = max(self.longest, micros)
        # Keys are texts, as JSON makes them.
        name = str(int(STEPS * math.log2(micros)))
        self.classes[name] = self.classes.get(name, 0) + 1

    def merge(self, other: Tally) -> None:
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)
        for name, count in other.classes.items():
            self.classes[name] = self.classes.get(name, 0) + count

    def percentile(self, share: float) -> int:
        """The time in µs that ``share`` of all did not exceed, from above."""
        seen = 0
        for name in sorted(map(int, self.classes)):
            seen += self.classes[str(name)]
            if seen >= share * self.count:
                return min(self.longest, math.ceil(2 ** ((name + 1) / STEPS)))
        return self.longest
