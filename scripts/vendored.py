"""Whether files of others that we serve or ship are what requirements/vendored.sha256 says.

``--write`` writes the sums down anew; the file is one of ``sha256sum --check``. Their versions
and where they come from are in static/vendor/README.md. Models have their own sums
(``facts.json``), and what comes in Python packages is pinned by the lock files.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUMS = ROOT / "requirements" / "vendored.sha256"
FOLDERS = ("static/vendor", "inference/report/fonts")


def sums(root: Path = ROOT) -> dict[str, str]:
    """The SHA-256 of every file of others, by its path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.name != "README.md"
    }


def written(text: str) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in text.splitlines() if line]
    return {name: digest for digest, name in lines}


def faults(root: Path = ROOT, text: str | None = None) -> list[str]:
    """Every file that is not what it was, is new, or is gone."""
    found, wanted = sums(root), written(SUMS.read_text() if text is None else text)
    gone = [f"{name}: gone" for name in sorted(wanted.keys() - found.keys())]
    new = [f"{name}: new" for name in sorted(found.keys() - wanted.keys())]
    both = sorted(found.keys() & wanted.keys())
    return gone + new + [f"{name}: changed" for name in both if found[name] != wanted[name]]


if __name__ == "__main__":
    if "--write" in sys.argv:
        SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in sums().items()))
    problems = faults()
    print("\n".join(problems) or f"{len(sums())} files of others are what they were.")
    sys.exit(bool(problems))
