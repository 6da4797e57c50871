"""Reading the whole chain again, from the first event to the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from operations.errors import (
    AuditAnchorsUnsoundError,
    AuditContentChangedError,
    AuditCutOffError,
    AuditEventMissingError,
    AuditLinkBrokenError,
)
from operations.models import AccessEvent, AuditHead
from pneumoniapp.errors import CodedError

from . import triggers
from .anchors import anchors_read
from .digest import BEGINNING, CONTENT, digest, keys, link

# Rows read at a time, so that ten million need the memory of some thousand.
CHUNK = 5000
# Events looked at that are not sealed yet.
WAITING = 100_000
COLUMNS = ("position", "pk", "digest", "chain", *CONTENT)


@dataclass
class Verified:
    """What was found: counts, and the first fault, if there is any.

    ``events`` were looked at; ``changed`` are not what was recorded, or were recorded by
    somebody without the key; ``broken`` do not fit the one before; ``missing`` are positions
    without an event; ``unsealed`` have no place yet.
    """

    events: int = 0
    changed: int = 0
    broken: int = 0
    missing: int = 0
    unsealed: int = 0
    anchors: int = 0
    triggers: bool = False
    position: int = 0
    chain: str = BEGINNING
    fault: CodedError | None = None

    def failed(self, fault: CodedError) -> None:
        self.fault = self.fault or fault


def chain_verify(
    *,
    witness: dict[int, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verified:
    """Verify every event up to the present head, those that wait for sealing, and anchors.

    ``witness`` are anchors that were kept elsewhere (a log, a mail): position and chain.
    ``progress`` is told how many events of how many have been read. Changes nothing, and
    goes on behind a fault, so that it is known how much is wrong.
    """
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(position=0, chain=BEGINNING)
    anchors = anchors_read()
    expected = anchors.chains | (witness or {})
    found = Verified(anchors=len(expected), triggers=triggers.present())
    keyring = keys()
    for row in _sealed(head.position):
        _check(row, found, keyring, expected)
        if found.events % CHUNK == 0:
            progress(found.events, head.position)
    _check_end(found, head, expected)
    _check_waiting(found, keyring)
    if anchors.unsound:
        found.failed(AuditAnchorsUnsoundError(count=anchors.unsound))
    return found


def _sealed(last: int) -> Iterator[tuple]:
    done = 0
    rows = AccessEvent.objects.filter(position__lte=last).order_by("position")
    while chunk := list(rows.filter(position__gt=done).values_list(*COLUMNS)[:CHUNK]):
        yield from chunk
        done = chunk[-1][0]


def _check(row: tuple, found: Verified, keyring: tuple, expected: dict[int, str]) -> None:
    position, pk, mine, chain, *content = row
    found.events += 1
    gap = position - found.position - 1
    if gap:
        found.missing += gap
        found.failed(AuditEventMissingError(position=found.position + 1, count=gap))
    if not any(digest(key, tuple(content)) == mine for key in keyring):
        found.changed += 1
        found.failed(AuditContentChangedError(position=position, event=pk))
    before = found.chain
    if not gap and not any(
        link(key, before=before, position=position, pk=pk, digest=mine) == chain for key in keyring
    ):
        found.broken += 1
        found.failed(AuditLinkBrokenError(position=position, event=pk))
    if expected.get(position, chain) != chain:
        found.broken += 1
        found.failed(AuditLinkBrokenError(position=position, event=pk))
    found.position, found.chain = position, chain


def _check_end(found: Verified, head: AuditHead, expected: dict[int, str]) -> None:
    last = max([head.position, *expected])
    if last > found.position:
        found.missing += last - found.position
        found.failed(AuditCutOffError(position=found.position, last=last))
    elif found.chain != head.chain:
        found.broken += 1
        found.failed(AuditLinkBrokenError(position=found.position, event=""))


def _check_waiting(found: Verified, keyring: tuple) -> None:
    waiting = AccessEvent.objects.filter(position=None).order_by("pk")
    for pk, mine, *content in waiting.values_list("pk", "digest", *CONTENT)[:WAITING]:
        found.unsealed += 1
        if not any(digest(key, tuple(content)) == mine for key in keyring):
            found.changed += 1
            found.failed(AuditContentChangedError(position="-", event=pk))
