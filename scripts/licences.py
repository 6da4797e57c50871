"""The licence of every pinned package, in docs/licences.md: ``--check`` compares, else it writes.

Either way it fails for a licence that is not in ``ALLOWED``, so that none comes in unseen.
Licences are what the installed packages say of themselves.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import locks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "licences.md"
# May be used in, and shipped with, a program of any licence. MPL-2.0 asks for the source of
# its own files alone, which we don't change.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python",
    "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip
# Packages with another licence, and why that is all right.
EXCEPTIONS = {
    "mysqlclient": "GPL-2.0-or-later: installed by whoever runs production, never shipped with us",
    "djlint": "GPL-3.0-or-later: a tool of developers",
}
# What says nothing, or nothing clear, of itself; read from the source beside the name.
NAMED = {
    "namex": "Apache-2.0",  # its repository's LICENSE
    "axe-playwright-python": "MIT",  # its repository's LICENSE; axe-core inside is MPL-2.0
    "qrcode": "BSD-3-Clause",  # LICENSE in the package; "Other" is the notice of pyqrnative (MIT)
}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "DFSG approved": "",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
TEXTS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "BSD 3-Clause OR Apache-2.0": "BSD-3-Clause OR Apache-2.0",
}
# Where a package is needed, the first that fits.
PLACES = {
    "base": "web, worker, scheduler",
    "production": "production",
    "training": "training",
    "test": "tests and checks",
    "uv": "to install",
}


def licence(name: str) -> str:
    """An SPDX expression; raises ``PackageNotFoundError`` for what is not installed."""
    said = metadata.metadata(name)
    if name in NAMED:
        return NAMED[name]
    if expression := said.get("License-Expression"):
        return expression
    classes = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", [])
               if line.startswith("License ::")]  # fmt: skip
    known = [CLASSIFIERS.get(one, one) for one in classes]
    if any(known):
        return " AND ".join(sorted({one for one in known if one}))
    text = (said.get("License") or "unknown").strip().splitlines()[0]
    return TEXTS.get(text, text)


def pieces(expression: str) -> set[str]:
    """The licences of an expression, whichever way they are joined."""
    return {one for one in re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression) if one.strip()}


def packages() -> dict[str, tuple[str, str]]:
    """Licence and place of each pinned package; nothing for one that is not installed."""
    found: dict[str, tuple[str, str]] = {}
    for lock, place in PLACES.items():
        for name in locks.pinned(lock):
            try:
                found.setdefault(name, (licence(name), place))
            except metadata.PackageNotFoundError:
                continue
    return dict(sorted(found.items()))


def faults(found: dict[str, tuple[str, str]]) -> list[str]:
    """Each licence that nobody has looked at, and each exception that is no more needed."""
    bad = [
        f"{name}: {expression}"
        for name, (expression, _place) in found.items()
        if name not in EXCEPTIONS and not pieces(expression) <= ALLOWED
    ]
    return bad + [
        f"{name} needs no exception"
        for name in EXCEPTIONS
        if name in found and pieces(found[name][0]) <= ALLOWED
    ]


def page(found: dict[str, tuple[str, str]]) -> str:
    lines = [
        "# Licences",
        "",
        "Every pinned package with the licence it states. `make licences` writes this page from",
        "the installed packages; `make check` fails when it is out of date, or when a licence is",
        "not in the list of `scripts/licences.py`. What others made and we serve ourselves is in",
        "[`static/vendor/`](../static/vendor/README.md) (MIT) and `inference/report/fonts/`.",
        "",
        "Licences beside that list:",
        "",
        *(f"- {name}: {reason}." for name, reason in EXCEPTIONS.items()),
        "",
        "| package | licence | where |",
        "|---|---|---|",
        *(f"| {name} | {expression} | {place} |" for name, (expression, place) in found.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    found = packages()
    problems = faults(found)
    pinned = {name for lock in PLACES for name in locks.pinned(lock)}
    text = page(found)
    if missing := sorted(pinned - set(found)):
        # Where something can't be built (mysqlclient), what is written down is compared alone.
        print(f"SKIPPED: the licences of what is not installed here ({', '.join(missing)}).")
        known = PAGE.read_text().splitlines()
        if set(text.splitlines()) - set(known):
            problems.append("docs/licences.md is out of date: make licences")
    elif "--check" not in sys.argv:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        problems.append("docs/licences.md is out of date: make licences")
    print("\n".join(problems) or f"{len(found)} packages, every licence known.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
