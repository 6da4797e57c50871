"""Whether a dataset folder is still what was built."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .dataset_build import FORMAT, INDEX_COLUMNS, counts_of, fingerprint_of
from .datasets import read_rows
from .errors import DatasetDamagedError, SplitLeakError
from .splits import check_for_leak


def check_dataset(
    folder: Path,
    *,
    report: Callable[[str], object] = lambda _problem: None,
    progress: Callable[[Iterable[dict], int], Iterator[dict]] = lambda rows, _total: iter(rows),
) -> dict:
    """Compare every file of ``folder`` with its checksum, look for leaks, count again.

    Each problem is given to ``report`` as a sentence. Returns ``dataset.json``'s content, or
    raises :class:`DatasetDamagedError` when there was a problem or no dataset.
    """
    try:
        facts = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        known = facts["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetDamagedError(reason="dataset.json cannot be read") from error
    if facts.get("format") != FORMAT:
        raise DatasetDamagedError(reason=f"format {facts.get('format')} is unknown")
    problems = []

    def found(problem: str) -> None:
        problems.append(problem)
        report(problem)

    for name, sha256 in known.items():
        if _sha256(folder / name) != sha256:
            found(f"{name} was changed or is missing")
    rows = read_rows(folder / "index.csv", required=INDEX_COLUMNS[:-1])
    for row in progress(rows, len(rows)):
        if _sha256(folder / row["file"]) != row.get("sha256"):
            found(f"{row['file']} was changed or is missing")
    strangers = {path.name for path in (folder / "images").glob("*")} - {
        Path(row["file"]).name for row in rows
    }
    for name in sorted(strangers):
        found(f"images/{name} is not in the index")
    try:
        check_for_leak(rows)
    except SplitLeakError as error:
        found(f"{error.params['patients']} patients are in more than one split")
    if any(facts.get(key) != value for key, value in counts_of(rows).items()):
        found("the counts in dataset.json are not those of index.csv")
    if facts.get("fingerprint") != fingerprint_of(rows):
        found("the fingerprint in dataset.json is not that of index.csv")
    if problems:
        raise DatasetDamagedError(reason=f"problems found: {len(problems)}")
    return facts


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
