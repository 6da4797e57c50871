"""The folder of a run: which configuration, code, data and libraries made what is in it."""

from __future__ import annotations

import csv
import fcntl
import json
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as library_version
from pathlib import Path

from django.conf import settings

from .config import Config
from .errors import ConfigInvalidError, RunBusyError
from .files import write_whole

_LIBRARIES = (
    "tensorflow-cpu", "tensorflow", "jax", "torch", "keras", "numpy", "opencv-python-headless",
    "ai-edge-litert",
)  # fmt: skip


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Within, ``folder``, made if need be, is this process's alone; raises :class:`RunBusyError`.

    The system lets go of it however the process ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunBusyError(folder=str(folder)) from error
        yield


def check_claim(folder: Path, config: Config) -> None:
    """Raise :class:`ConfigInvalidError` if ``folder`` holds another configuration's run."""
    path = folder / "config.json"
    if path.is_file() and not _is_of(path, config):
        raise ConfigInvalidError(reason=f"{folder.name} holds a run of another configuration")


def claim(folder: Path, config: Config) -> None:
    """Make ``folder`` this configuration's, once nothing is known against it.

    The same command then takes up a run that was stopped. Raises what :func:`check_claim` does.
    """
    check_claim(folder, config)
    write_whole(folder / "config.json", json.dumps(config.as_dict(), indent=2))


def _is_of(path: Path, config: Config) -> bool:
    """Whether the file says ``config``; what it does not say, as one of an older revision, is
    as it is when nothing is said."""
    try:
        return Config.of(json.loads(path.read_text())) == config
    except (ValueError, ConfigInvalidError):
        return False


def what_was_done(folder: Path) -> dict:
    """Seconds and epochs of a run, from its history."""
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    seconds = [float(row["seconds"]) for row in rows if row.get("seconds")]
    return {"seconds": round(sum(seconds)) if seconds else None, "epochs": len(rows)}


def libraries() -> dict[str, str]:
    """Versions of what decides the numbers, as far as it is installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = library_version(name)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """The last commit of the code that makes a model; "+" if it was changed since, or "unknown"."""
    paths = ("ml_training", "inference/model_input.py")
    try:
        commit = _git("log", "-1", "--format=%h", "--", *paths)
        changed = _git("status", "--porcelain", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+" if changed else commit


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(  # noqa: S603
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
