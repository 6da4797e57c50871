"""Putting committed events into the chain, in one order, a moment after they happened.

Whoever records an event waits for nobody: it is inserted in the transaction of what it
records and goes with it. The sealer takes what is committed and not yet in the chain, by
primary key, and gives each the next position. An event whose transaction ends late is only
sealed later: the order of the chain is that of sealing, and no event is ever passed over,
since the question is which have no position. Keys that were used up by transactions that
were rolled back leave no trace, as positions have no gaps.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from operations.errors import AuditAppendOnlyError
from operations.models import AccessEvent, AuditHead

from .anchors import anchor_write
from .digest import BEGINNING, keys, link

# Events sealed under one lock, for some hundredths of a second.
BATCH = 500
ANCHOR_EVERY = timedelta(hours=1)


def events_seal() -> int:
    """Seal all that is committed; how many that were.

    Once an hour the head of the chain is written to where the database does not reach
    (``operations.audit.anchors``).
    """
    total = 0
    while True:
        done = _seal_some()
        total += done
        if done < BATCH:
            break
    if total:
        _anchor_if_due()
    return total


def _seal_some() -> int:
    waiting = AccessEvent.objects.filter(position=None).order_by("pk")
    if not waiting.exists():  # Nobody is kept waiting for nothing.
        return 0
    # Before the transaction: two who make it at once would lock each other out.
    AuditHead.objects.get_or_create(pk=1, defaults={"chain": BEGINNING})
    with transaction.atomic():
        # One sealer at a time. On SQLite the transaction itself is the lock.
        head = AuditHead.objects.select_for_update().get(pk=1)
        rows = list(waiting.values_list("pk", "digest")[:BATCH])
        key, position, chain, values = keys()[0], head.position, head.chain, []
        for pk, digest in rows:
            position += 1
            chain = link(key, before=chain, position=position, pk=pk, digest=digest)
            values.append((position, chain, pk))
        _write(values)
        AuditHead.objects.filter(pk=1).update(position=position, chain=chain)
    return len(rows)


def _write(values: list[tuple[int, str, int]]) -> None:
    """The one change that a row ever sees, which the queryset and every model refuse."""
    table = connection.ops.quote_name(AccessEvent._meta.db_table)
    sql = f"UPDATE {table} SET position = %s, chain = %s WHERE id = %s AND position IS NULL"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)
        if cursor.rowcount != len(values):
            raise AuditAppendOnlyError


def _anchor_if_due() -> None:
    due = timezone.now() - ANCHOR_EVERY
    heads = AuditHead.objects.filter(pk=1)
    head = heads.get()
    if head.anchored_at is None or head.anchored_at < due:
        anchor_write(position=head.position, chain=head.chain)
        heads.update(anchored_at=timezone.now())
