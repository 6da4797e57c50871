"""Whether requirements/*.txt are what requirements/*.in ask for, without a network.

For each ``.in`` file: every package it names is pinned in the ``.txt`` beside it to a version
it allows, every pin has a hash, and one package has one version in all lock files.
``make lock`` writes them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).resolve().parent.parent / "requirements"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(.*)$")


def asked(name: str, folder: Path = FOLDER) -> list[Requirement]:
    """What ``name``.in asks for, with the files that it includes."""
    found = []
    for line in (folder / f"{name}.in").read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += asked(Path(text[3:].strip()).stem, folder)
        elif text:
            found.append(Requirement(text))
    return found


def pinned(name: str, folder: Path = FOLDER) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in ``name``.txt."""
    pins: dict[str, tuple[str, int]] = {}
    current = ""
    for line in (folder / f"{name}.txt").read_text().splitlines():
        if match := PIN.match(line):
            current = canonicalize_name(match[1])
            pins[current] = (match[2], 0)
        if "--hash=sha256:" in line and current:
            version, hashes = pins[current]
            pins[current] = (version, hashes + 1)
    return pins


def faults(folder: Path = FOLDER) -> list[str]:
    """Every way in which the lock files are not what they should be."""
    found = []
    versions: dict[str, dict[str, str]] = {}
    for source in sorted(folder.glob("*.in")):
        name = source.stem
        pins = pinned(name, folder)
        for requirement in asked(name, folder):
            pin = pins.get(canonicalize_name(requirement.name))
            if pin is None:
                found.append(f"{name}.txt lacks {requirement}")
            elif not requirement.specifier.contains(pin[0], prereleases=True):
                found.append(f"{name}.txt has {requirement.name} {pin[0]}, not {requirement}")
        for package, (version, hashes) in pins.items():
            if not hashes:
                found.append(f"{name}.txt has no hash for {package}")
            versions.setdefault(package, {})[name] = version
    for package, by_file in sorted(versions.items()):
        if len(set(by_file.values())) > 1:
            found.append(f"{package} has several versions: {by_file}")
    return found


if __name__ == "__main__":
    problems = faults()
    print("\n".join(problems) or "Lock files match.")
    sys.exit(bool(problems))
