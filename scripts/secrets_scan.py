"""Whether a secret has come into the repository: detect-secrets looks at every tracked file.

What it takes for one and is none (examples, the demonstration's password) is in
``.secrets.json``, by the hash of the text; ``--accept`` writes that file anew, to be looked at
before it is committed. Tests are full of made-up passwords, so what merely stands beside the
word "password" counts outside of them alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".secrets.json"
# Hashes by the thousand, translations, and files that are no text.
LEFT_OUT = ("requirements/", "locale/", "inference/shipped/", "docs/images/", BASELINE.name)
NO_TEXT = (".dcm", ".keras", ".npy", ".npz", ".otf", ".png", ".svg", ".tflite", ".ttf", ".webp")
BY_WORD = "Secret Keyword"


def tracked(root: Path = ROOT) -> list[str]:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    names = out.stdout.decode().split("\0")
    return [
        name
        for name in names
        if name and not name.startswith(LEFT_OUT) and not name.endswith(NO_TEXT)
    ]


def scan(names: list[str], root: Path = ROOT) -> set[tuple[str, str, str]]:
    """(file, kind, hash of the text) of everything that looks like a secret."""
    with default_settings():
        found = SecretsCollection(root=str(root))
        found.scan_files(*names)
        return {
            (name, secret.type, secret.secret_hash)
            for name, secret in found
            if secret.type != BY_WORD or not name.startswith("tests/")
        }


def main() -> int:
    found = scan(tracked())
    if "--accept" in sys.argv:
        BASELINE.write_text(json.dumps(sorted(found), indent=1) + "\n")
    known = {tuple(entry) for entry in json.loads(BASELINE.read_text())}
    for name, kind, _digest in sorted(found - known):
        print(f"{name}: {kind}")
    if found - known:
        print("No secret? python scripts/secrets_scan.py --accept, and look at what it adds.")
        return 1
    print(f"No secret in {len(tracked())} files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
