"""A report as PDF/UA-1, made by Typst (docs/decisions/0011)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import structlog

from inference.errors import ReportFailedError

from .characters import FONTS, printable

HERE = Path(__file__).parent
# Ten times what the longest report takes on a busy core.
LONGEST_SECONDS = 20

log = structlog.get_logger(__name__)


def report_pdf(content: dict, files: dict[str, bytes]) -> bytes:
    """``content`` (see ``inference.report.content``) as a tagged PDF.

    ``files`` are the pictures that the content names. JPEG data is copied into the PDF as it
    is; the map, a palette PNG, is unpacked by Typst's own (Rust) reader. The content travels
    as JSON and is only ever text: no character of it is read as markup or code. The compiler
    is a process of its own, so that its memory goes with it, and sees nothing of the disk but
    a folder of its own. Raises :class:`ReportFailedError`.
    """
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        (folder / "report.json").write_text(json.dumps(_all_printable(content)))
        for file, data in files.items():
            (folder / file).write_bytes(data)
        words = [HERE / "compiler.py", folder, HERE / "report.typ", FONTS, int(time.time())]
        try:
            # Nothing of the environment goes along: there are secrets in it. What the compiler
            # complains of may quote the report: it is not kept.
            done = subprocess.run(  # noqa: S603 (no shell, no word from outside)
                [sys.executable, "-I", *map(str, words)],
                env={},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=LONGEST_SECONDS,
                check=True,
            )
        except subprocess.SubprocessError as error:
            log.error("report_failed", reason=type(error).__name__)
            raise ReportFailedError from None
    return done.stdout


def _all_printable(value):
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: one if key == "url" else _all_printable(one) for key, one in value.items()}
    return [_all_printable(one) for one in value] if isinstance(value, list) else value
