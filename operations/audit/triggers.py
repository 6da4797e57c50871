"""The database's own refusal: whoever is connected to it changes and removes no event.

Installed after every ``migrate`` and not by a migration, since SQLite makes a table anew
when a later migration changes it, and forgets its triggers. A restore only inserts.
"""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import DatabaseError, connections, transaction

from .digest import CONTENT

TABLE = "operations_accessevent"
NAMES = ("audit_no_update", "audit_no_delete", "audit_no_replace")
TEXT = "the record of access is append-only"

log = structlog.get_logger(__name__)


def after_migrate(using: str, **_kwargs) -> None:
    """Receiver of ``post_migrate``; a user without the right to make triggers is told so."""
    connection = connections[using]
    if not settings.AUDIT_TRIGGERS or TABLE not in connection.introspection.table_names():
        return
    try:
        install(using)
    except DatabaseError as error:
        log.warning("audit_triggers_refused", error=type(error).__name__)


def install(using: str = "default") -> None:
    """Put the triggers there, whatever was before."""
    connection = connections[using]
    same = "IS" if connection.vendor == "sqlite" else "<=>"
    columns = ["id", "digest", *CONTENT]
    kept = " AND ".join(f"OLD.`{name}` {same} NEW.`{name}`" for name in columns)
    sealing = f"OLD.position IS NULL AND NEW.position IS NOT NULL AND OLD.chain = '' AND {kept}"
    if connection.vendor == "sqlite":
        refuse = f"SELECT RAISE(ABORT, '{TEXT}');"
        # INSERT OR REPLACE removes a row without a word to the trigger of DELETE.
        taken = f"EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id OR position = NEW.position)"  # noqa: S608
        statements = [
            f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} "
            f"WHEN NOT ({sealing}) BEGIN {refuse} END",
            f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} BEGIN {refuse} END",
            f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON {TABLE} "
            f"WHEN {taken} BEGIN {refuse} END",
        ]
    else:
        refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{TEXT}'"
        statements = [
            f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} FOR EACH ROW "
            f"IF NOT ({sealing}) THEN {refuse}; END IF",
            f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} FOR EACH ROW {refuse}",
        ]
    remove(using)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove(using: str = "default") -> None:
    """Take them away: for a migration that has to rewrite events, and for tests."""
    with connections[using].cursor() as cursor:
        for name in NAMES:
            if connections[using].vendor == "sqlite" or name != "audit_no_replace":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def sound(using: str) -> bool:
    """Whether they are there, or there is no table yet that they could guard."""
    names = connections[using].introspection.table_names()
    return not settings.AUDIT_TRIGGERS or TABLE not in names or present(using)


def present(using: str = "default") -> bool:
    """Whether the database refuses changes by itself."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            wanted = set(NAMES)
        else:
            cursor.execute(
                "SELECT trigger_name FROM information_schema.triggers "
                "WHERE trigger_schema = DATABASE()"
            )
            wanted = set(NAMES[:2])
        return wanted <= {row[0] for row in cursor.fetchall()}
