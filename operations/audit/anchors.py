"""The head of the chain, written down where whoever can write the database does not reach.

A chain alone does not show that its end was cut off: what is left is whole. So the position
and chain of the newest event go into the log (``audit_anchor``) and, signed, as a line of
JSON into ``AUDIT_ANCHOR_FILE``. A verification looks every line of that file up in the chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone

from .digest import keys

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Anchor:
    """``restored``: a restore went back to here; what was anchored beyond counts no more."""

    at: str
    position: int
    chain: str
    restored: bool = False

    def signature(self, key: bytes) -> str:
        text = f"anchor:{self.at}:{self.position}:{self.chain}:{self.restored:d}"
        return hmac.digest(key, text.encode(), hashlib.sha256).hex()


@dataclass(frozen=True)
class Anchors:
    """What the file says: the chain at each position, and how many lines it cannot vouch for."""

    chains: dict[int, str]
    unsound: int = 0


def anchor_path() -> Path:
    return Path(settings.AUDIT_ANCHOR_FILE or Path(settings.VAR_DIR) / "audit-anchors.jsonl")


def anchor_write(*, position: int, chain: str, restored: bool = False) -> None:
    """Log the head of the chain and append it to the file. A full disk is logged, no more."""
    anchor = Anchor(timezone.now().isoformat(), position, chain, restored)
    log.info("audit_anchor", position=position, chain=chain, restored=restored)
    line = json.dumps(vars(anchor) | {"signature": anchor.signature(keys()[0])})
    try:
        path = anchor_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.error("audit_anchor_not_written", error=type(error).__name__)


def anchors_read() -> Anchors:
    """Every anchor that still counts; no file is no anchor."""
    chains: dict[int, str] = {}
    unsound = 0
    try:
        lines = anchor_path().read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        anchor = _anchor(line)
        if anchor is None:
            unsound += 1
            continue
        if anchor.restored:
            chains = {at: chain for at, chain in chains.items() if at <= anchor.position}
        chains[anchor.position] = anchor.chain
    return Anchors(chains, unsound)


def _anchor(line: str) -> Anchor | None:
    try:
        values = json.loads(line)
        signature = values.pop("signature")
        anchor = Anchor(**values)
        signed = any(hmac.compare_digest(anchor.signature(key), signature) for key in keys())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return anchor if signed else None
