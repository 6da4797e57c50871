"""The documents draw what import-linter enforces and what the models say."""

import re
import subprocess
import sys
import tomllib

from django.conf import settings

ROOT = settings.BASE_DIR


def test_the_diagram_shows_the_layers_that_are_enforced():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    apps = [layer for layer in layers if "." not in layer]

    diagram = re.search(
        r"flowchart TD\s+(.+?)\s+```", (ROOT / "docs" / "architecture.md").read_text()
    )

    assert diagram.group(1).split(" --> ") == [*apps, "foundations"]


def test_the_entity_diagram_is_made_from_the_models():
    check = subprocess.run(
        [sys.executable, "scripts/entity_diagram.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, check.stdout


def test_every_refusal_of_a_file_is_documented():
    from pneumoniapp.errors import REGISTRY

    page = (ROOT / "docs" / "intake.md").read_text()
    codes = [code for code, e in REGISTRY.items() if e.__module__ == "radiology.errors"]

    assert codes
    for code in codes:
        assert f"| `{code}` | {REGISTRY[code].status} |" in page
