"""The French catalogue: bring it up to date, or say what is wrong with it.

``python scripts/translations.py`` collects the strings and compiles the catalogue;
``--check`` exits 1 when a string is missing, untranslated, fuzzy or no longer used, when a
placeholder differs, or when the compiled file isn't the source's. Needs gettext.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")
# The source language is English: these letters give a French one away.
FRENCH = re.compile(r"[àâçéèêëîïôûùüÿœ]", re.IGNORECASE)
DOMAINS = ("django", "djangojs")


def collect(root: Path) -> None:
    """Run makemessages for French in the checkout ``root``."""
    for domain in DOMAINS:
        command = [
            sys.executable, "manage.py", "makemessages", "--locale", "fr", "--domain", domain,
            "--no-location", "--no-wrap", "--ignore", "var", "--ignore", "static/vendor",
            "--ignore", "tests", "--ignore", "benchmarks", "--ignore", ".venv*",
        ]  # fmt: skip
        variables = os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"}
        done = subprocess.run(
            command, cwd=root, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)


def catalogues(root: Path) -> list[Path]:
    return sorted((root / "locale" / "fr" / "LC_MESSAGES").glob("*.po"))


def compile_all(root: Path) -> None:
    for path in catalogues(root):
        subprocess.run(
            ["msgfmt", "--check-format", "-o", path.with_suffix(".mo"), path], check=True
        )


def copy_of_sources(target: Path) -> None:
    """The files that git knows or would add, so that nothing of the checkout is touched."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if name.endswith((".py", ".html", ".txt", ".js", ".po")) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def key(entry: polib.POEntry) -> tuple:
    return (entry.msgctxt, entry.msgid, entry.msgid_plural or "")


def faults_of(path: Path, fresh: Path) -> list[str]:
    """What is wrong with the committed catalogue ``path``, beside one just collected."""
    found = []
    committed = polib.pofile(str(path)) if path.exists() else polib.POFile()
    wanted = polib.pofile(str(fresh))
    known = {key(entry) for entry in committed if not entry.obsolete}
    used = {key(entry) for entry in wanted if not entry.obsolete}
    found += [f"missing: {k[1]!r}" for k in sorted(used - known, key=str)]
    found += [f"no longer used: {k[1]!r}" for k in sorted(known - used, key=str)]
    found += [f"obsolete: {entry.msgid!r}" for entry in committed.obsolete_entries()]
    found += [f"fuzzy: {entry.msgid!r}" for entry in committed.fuzzy_entries()]
    found += [f"untranslated: {entry.msgid!r}" for entry in committed.untranslated_entries()]
    for entry in committed.translated_entries():
        if FRENCH.search(entry.msgid):
            found.append(f"not English: {entry.msgid!r}")
        texts = [entry.msgstr] if entry.msgstr else list(entry.msgstr_plural.values())
        allowed = set(PLACEHOLDER.findall(entry.msgid + entry.msgid_plural))
        for text in texts:
            if not set(PLACEHOLDER.findall(text)) <= allowed:
                found.append(f"other placeholders: {entry.msgid!r}")
    compiled = path.with_suffix(".mo")
    if not compiled.exists() or _texts(polib.mofile(str(compiled))) != _texts(
        committed.translated_entries()
    ):
        found.append("the compiled file is another's: run python scripts/translations.py")
    return [f"{path.relative_to(ROOT)}: {fault}" for fault in found]


def _texts(entries) -> dict:
    return {key(entry): (entry.msgstr, entry.msgstr_plural) for entry in entries}


def main() -> int:
    if not shutil.which("xgettext"):
        sys.exit("The translations can't be collected: apt-get install gettext")
    if "--check" not in sys.argv[1:]:
        collect(ROOT)
        compile_all(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy_of_sources(Path(folder))
        (Path(folder) / "locale").mkdir(exist_ok=True)
        collect(Path(folder))
        faults = [
            fault
            for fresh in catalogues(Path(folder))
            for fault in faults_of(ROOT / fresh.relative_to(folder), fresh)
        ]
    print("\n".join(faults) or "Translations are complete.")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
