"""The software bill of materials of production, CycloneDX in JSON: ``make sbom``.

What cyclonedx-py reads from the lock file, with each package's licence
(``scripts/licences.py``) and the files of others that we serve or ship (their sums in
``requirements/vendored.sha256``). Checked against the schema of CycloneDX before it is written.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import licences
import vendored
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parent.parent
# Who made what lies in our own folders; the version stands in the name of the folder, or here.
OURS = {
    "static/vendor/bootstrap-": ("bootstrap", "MIT", "pkg:npm/bootstrap@"),
    "inference/report/fonts/DejaVu": ("dejavu-fonts", "Bitstream-Vera", ""),
}


def packages() -> dict:
    """The bill of the lock file alone."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    command += ["--of", "JSON", "--pyproject", "pyproject.toml", "requirements/production.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def files_of_others() -> list[dict]:
    """A component for each such file."""
    found = []
    for path, digest in vendored.sums().items():
        for start, (name, licence, address) in OURS.items():
            if not path.startswith(start):
                continue
            component = {
                "type": "file",
                "bom-ref": path,
                "name": path,
                "group": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"id": licence}}],
            }
            if version := re.search(r"-(\d[\d.]*)/", path):
                component["version"] = version[1]
                component["purl"] = address + version[1]
            found.append(component)
    return found


def bill() -> dict:
    found = packages()
    for component in found["components"]:
        component.pop("description", None)  # the line of the lock file with all its hashes
        try:
            expression = licences.licence(component["name"].lower())
        except PackageNotFoundError:  # mysqlclient, where it can't be built
            continue
        known = "BSD" not in licences.pieces(expression)  # of which kind, the package doesn't say
        component["licenses"] = (
            [{"expression": expression}] if known else [{"license": {"name": expression}}]
        )
    found["components"] += files_of_others()
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)):
        raise ValueError(problem)
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sbom.json"
    made = bill()
    place.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{place}: {len(made['components'])} components.")
