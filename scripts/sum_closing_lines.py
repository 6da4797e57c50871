"""Add up pytest's closing lines on standard input, as one more such line."""

import re
import sys
from collections import Counter


def total(text: str) -> str:
    """``"3 passed in 1s"`` and ``"1 failed, 2 passed"`` -> ``"5 passed, 1 failed, 0 skipped"``."""
    counts: Counter[str] = Counter()
    for number, word in re.findall(r"(\d+) (failed|passed|skipped|errors?)\b", text):
        counts["failed" if word.startswith("error") else word] += int(number)
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


if __name__ == "__main__":
    print(total(sys.stdin.read()))
