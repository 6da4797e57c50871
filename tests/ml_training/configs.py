"""Configurations of tiny runs, as the files that a person writes."""

from pathlib import Path

import yaml


def write_config(folder: Path, **values) -> Path:
    """``tiny.yaml`` in ``folder``, for the index that lies there."""
    path = folder / "tiny.yaml"
    common = {"name": "tiny", "version": "1", "index": str(folder / "index.csv")}
    path.write_text(yaml.safe_dump(common | values))
    return path


def changed(config: Path, path: Path, **changes) -> Path:
    """``config`` with ``changes``, written to ``path``."""
    path.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | changes))
    return path
