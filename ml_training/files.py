"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EISDIR, ENOTDIR
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall be the file ``path``: it is put there at the end, or nothing is.

    A file that is there stays until then. The name ends as ``path`` does.
    """
    beside = path.with_name(f"next-{path.name}")
    try:
        yield beside
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        _name(error, beside, path)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """``content`` (text: as UTF-8) at ``path``, whole or not at all."""
    with whole(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, that takes the place of the folder ``path`` at the end.

    What is there stays until then, and is left as it was when something fails.
    """
    beside, former = (path.with_name(f"{word}-{path.name}") for word in ("next", "former"))
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        shutil.rmtree(former, ignore_errors=True)
        if path.exists():
            path.rename(former)
        beside.rename(path)
        shutil.rmtree(former, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        _name(error, beside, path)
        raise


def check_writable_file(path: Path) -> None:
    """Raise ``OSError`` unless a file can be written at ``path``; the folders above are made."""
    check_writable_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))


def check_writable_folder(path: Path) -> None:
    """Make the folder ``path`` if need be; raise ``OSError`` unless one can write into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError as error:
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(path)) from error
    except OSError as error:
        error.filename = str(path)
        raise


def _name(error: BaseException, beside: Path, path: Path) -> None:
    """Say which file it was: a write that fails does not know."""
    if isinstance(error, OSError) and error.errno and error.filename in (None, str(beside)):
        error.filename = str(path)
