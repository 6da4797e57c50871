"""What tests do to the record of access that nobody else may."""

from contextlib import contextmanager

from django.db import connection

from operations.audit import triggers
from operations.services import access_record


def record(number: int = 1, actor=None) -> None:
    """Some writes of things that are nobody's."""
    for one in range(number):
        access_record(actor=actor, action="update", object_type="x.y", object_id=one)


@contextmanager
def behind_the_back():
    """``execute(statement, parameters)``, as somebody who may write the database and no more."""
    with connection.cursor() as cursor:
        yield cursor.execute


def events_forget() -> None:
    """Empty the record, and leave the database as it was otherwise."""
    guarded = triggers.present()
    triggers.remove()
    with behind_the_back() as execute:
        execute("DELETE FROM operations_accessevent")
        execute("DELETE FROM operations_audithead")
    if guarded:
        triggers.install()
