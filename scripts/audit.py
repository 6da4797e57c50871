"""Whether a pinned package has a known vulnerability: pip-audit asks OSV about every lock file.

Where the service can't be reached it says SKIPPED and fails nothing: a check that needs the
network must not stop work without one. What is known and accepted for a time stands in
``requirements/accepted-vulnerabilities.txt``, a line each: ``ID YYYY-MM-DD reason``; after that
day it counts again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("test", "uv")  # test.txt holds everything that the others hold
SERVICE = "https://api.osv.dev/v1/query"
ACCEPTED = ROOT / "requirements" / "accepted-vulnerabilities.txt"


def reachable(service: str) -> str:
    """Why ``service`` doesn't answer; empty when it does, with whatever status."""
    try:
        urllib.request.urlopen(service, timeout=5).close()
    except urllib.error.HTTPError:
        return ""  # It wants another verb: it is there.
    except OSError as error:
        return str(getattr(error, "reason", error))
    return ""


def accepted(text: str, today: dt.date) -> list[str]:
    """The ids that are accepted still; raises ``ValueError`` for a line without day or reason."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, until, reason = line.split(maxsplit=2)
        if reason and dt.date.fromisoformat(until) >= today:
            found.append(name)
    return found


def audit(service: str, locks: list[Path], ignored: list[str]) -> list[str]:
    """A line for each vulnerability, and for each package that could not be asked about.

    Raises ``RuntimeError`` with what pip-audit said when it gave no answer at all.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"]
    command += ["--osv-url", service, "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--aliases", "off", "--desc", "off"]
    for lock in locks:
        command += ["--requirement", str(lock)]
    for name in ignored:
        command += ["--ignore-vuln", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise RuntimeError(done.stderr.strip()[-500:] or f"status {done.returncode}") from None
    found = []
    for package in packages:
        if reason := package.get("skip_reason"):
            found.append(f"{package['name']}: not asked ({reason})")
        for one in package.get("vulns", []):
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            found.append(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", default=SERVICE)
    parser.add_argument("locks", nargs="*", type=Path)
    options = parser.parse_args()
    locks = options.locks or [ROOT / "requirements" / f"{name}.txt" for name in LOCKS]
    if reason := reachable(options.service):
        print(f"SKIPPED: known vulnerabilities ({options.service} can't be reached: {reason}).")
        return 0
    try:
        ignored = accepted(ACCEPTED.read_text(), dt.date.today())
        found = audit(options.service, locks, ignored)
    except RuntimeError as error:
        print(f"pip-audit gave no answer: {error}")
        return 1
    print("\n".join(found) or "No known vulnerability.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
