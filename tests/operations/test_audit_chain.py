"""The chain of the record of access: right with many writers, and nothing of it undone unseen."""

import random
import threading

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from operations.audit.anchors import anchor_path, anchor_write
from operations.audit.digest import digest_of
from operations.audit.sealing import BATCH, events_seal
from operations.audit.verifying import chain_verify
from operations.models import AccessEvent, AuditHead
from tests.operations.audit_site import behind_the_back, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed(doctor):
    """Five events in the chain, and one that waits."""
    record(5, doctor)
    events_seal()
    record(1, doctor)


# --- Sealing ------------------------------------------------------------------------------


def test_what_is_sealed_follows_one_another(sealed):
    positions = AccessEvent.objects.order_by("pk").values_list("position", flat=True)
    assert list(positions) == [1, 2, 3, 4, 5, None]
    assert len(set(AccessEvent.objects.values_list("chain", flat=True))) == 6
    head = AuditHead.objects.get()
    assert head.chain == AccessEvent.objects.get(position=5).chain
    assert events_seal() == 1
    assert events_seal() == 0
    assert chain_verify().fault is None


def test_what_is_rolled_back_leaves_no_gap(doctor):
    record(2)
    with transaction.atomic():
        record(3)
        transaction.set_rollback(True)
    record(2)
    events_seal()
    assert list(AccessEvent.objects.values_list("position", flat=True)) == [4, 3, 2, 1]
    assert chain_verify().fault is None


def test_a_late_event_is_sealed_later(doctor):
    record(3)
    late = AccessEvent.objects.order_by("pk")[1].pk
    with behind_the_back() as execute:  # its transaction isn't over yet
        execute("UPDATE operations_accessevent SET position = 99 WHERE id = %s", [late])
    events_seal()
    with behind_the_back() as execute:
        execute("UPDATE operations_accessevent SET position = NULL WHERE id = %s", [late])
    record(1)
    events_seal()
    assert AccessEvent.objects.get(pk=late).position == 3
    found = chain_verify()
    assert (found.fault, found.events) == (None, 4)


def test_many_are_sealed_some_at_a_time(doctor, django_assert_max_num_queries):
    record(2 * BATCH + 7)
    with django_assert_max_num_queries(40):
        assert events_seal() == 2 * BATCH + 7
    assert chain_verify().events == 2 * BATCH + 7


def test_nothing_to_seal_takes_no_lock_and_makes_no_row(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert events_seal() == 0
    assert not AuditHead.objects.exists(), "a restore wants an empty system"


@pytest.mark.django_db(transaction=True)
def test_many_writers_and_sealers_at_once(doctor):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory refuses a second writer at once instead of letting it wait")
    writers_and_sealers(doctor)


@pytest.mark.django_db(transaction=True)
def test_many_writers_and_sealers_at_once_on_a_disk(doctor, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("MariaDB has it in the test above")
    with on_disk(tmp_path / "db.sqlite3"):
        writers_and_sealers(None)


def writers_and_sealers(actor) -> None:
    """Six writers of which every third transaction is rolled back, and three sealers."""
    failures, kept, done = [], [], threading.Event()

    def guarded(work):
        def run(number: int) -> None:
            try:
                work(random.Random(number))
            except Exception as error:
                failures.append(error)
            finally:
                connections.close_all()

        return run

    def write(chance: random.Random) -> None:
        for _ in range(20):
            size = chance.randint(1, 4)
            try:
                with transaction.atomic():
                    record(size, actor)
                    if chance.random() < 0.3:
                        raise InterruptedError
            except InterruptedError:
                continue
            kept.append(size)

    def seal(_chance: random.Random) -> None:
        while not done.is_set():
            events_seal()
            done.wait(0.005)

    writers = [threading.Thread(target=guarded(write), args=(n,)) for n in range(6)]
    sealers = [threading.Thread(target=guarded(seal), args=(n,)) for n in range(3)]
    for thread in writers + sealers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in sealers:
        thread.join()
    events_seal()
    assert failures == []
    found = chain_verify()
    assert found.fault is None
    assert found.events == AccessEvent.objects.count() == sum(kept) > 0
    assert found.unsealed == 0


class on_disk:
    """The default connection is a file of its own, migrated, in every thread."""

    def __init__(self, path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.wrapper, self.settings = connections["default"], connections.settings["default"]
        values = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(self.path),
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
        connections.settings["default"] = connections.configure_settings({"default": values})[
            "default"
        ]
        del connections["default"]
        call_command("migrate", verbosity=0)

    def __exit__(self, *_error) -> None:
        connections["default"].close()
        connections.settings["default"] = self.settings
        connections["default"] = self.wrapper


# --- Verifying ----------------------------------------------------------------------------

TABLE = "operations_accessevent"
TAMPERING = {
    "a column was changed": (
        [f"UPDATE {TABLE} SET object_id = '9' WHERE position = 3"],
        ("audit_content_changed", 3, "changed"),
    ),
    "the time was moved by a microsecond": (
        [f"UPDATE {TABLE} SET at = '2020-01-01 00:00:00.000001' WHERE position = 1"],
        ("audit_content_changed", 1, "changed"),
    ),
    "who did it was taken out": (
        [f"UPDATE {TABLE} SET actor_id = NULL WHERE position = 2"],
        ("audit_content_changed", 2, "changed"),
    ),
    "one was taken out of the middle": (
        [f"DELETE FROM {TABLE} WHERE position = 3"],
        ("audit_event_missing", 3, "missing"),
    ),
    "one was taken out and the rest moved up": (
        [
            f"DELETE FROM {TABLE} WHERE position = 3",
            f"UPDATE {TABLE} SET position = 3 WHERE position = 4",
            f"UPDATE {TABLE} SET position = 4 WHERE position = 5",
            "UPDATE operations_audithead SET position = 4",
        ],
        ("audit_link_broken", 3, "broken"),
    ),
    "two were exchanged": (
        [
            f"UPDATE {TABLE} SET position = 99 WHERE position = 2",
            f"UPDATE {TABLE} SET position = 2 WHERE position = 3",
            f"UPDATE {TABLE} SET position = 3 WHERE position = 99",
        ],
        ("audit_link_broken", 2, "broken"),
    ),
    "the first one was taken out": (
        [f"DELETE FROM {TABLE} WHERE position = 1"],
        ("audit_event_missing", 1, "missing"),
    ),
    "the end was cut off": (
        [f"DELETE FROM {TABLE} WHERE position > 3"],
        ("audit_cut_off", 3, "missing"),
    ),
    "the end was cut off and the head put back": (
        [
            f"DELETE FROM {TABLE} WHERE position > 3",
            "UPDATE operations_audithead SET position = 3, "
            f"chain = (SELECT chain FROM {TABLE} WHERE position = 3)",
        ],
        ("audit_cut_off", 3, "missing"),
    ),
    "all of it went": (
        [f"DELETE FROM {TABLE}", "DELETE FROM operations_audithead"],
        ("audit_cut_off", 0, "missing"),
    ),
    "one was put in without the key": (
        [
            f"INSERT INTO {TABLE} (at, action, object_type, object_id, patient, channel, reason, "
            "route, request_id, digest, chain) VALUES ('2026-01-01 00:00:00', 'read', 'x.y', '1', "
            "'', 'page', '', '', '', '" + "a" * 64 + "', '')"
        ],
        ("audit_content_changed", "-", "changed"),
    ),
    "one that waited was changed": (
        [f"UPDATE {TABLE} SET reason = 'adjudication' WHERE position IS NULL"],
        ("audit_content_changed", "-", "changed"),
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_is_done_behind_the_back_is_found(sealed, what):
    head = AuditHead.objects.get()
    anchor_write(position=head.position, chain=head.chain)
    assert chain_verify().fault is None
    statements, (code, position, count) = TAMPERING[what]
    with behind_the_back() as execute:
        for statement in statements:
            execute(statement)
    found = chain_verify()
    assert (found.fault.code, found.fault.params["position"]) == (code, position)
    assert getattr(found, count) > 0


def test_behind_a_fault_it_goes_on(sealed):
    with behind_the_back() as execute:
        execute(f"UPDATE {TABLE} SET object_id = '9' WHERE position IN (2, 4)")
    found = chain_verify()
    assert (found.events, found.changed, found.broken) == (5, 2, 0)
    assert found.fault.params["position"] == 2


def test_the_chain_cannot_be_made_again_without_the_key(sealed, settings):
    """Whoever has the program and the database, and not the key."""
    mine, settings.AUDIT_KEYS = settings.AUDIT_KEYS, ["the key of somebody else, long enough"]
    with behind_the_back() as execute:
        execute(f"UPDATE {TABLE} SET object_id = '9', position = NULL, chain = ''")
        execute("DELETE FROM operations_audithead")
        for event in AccessEvent.objects.all():
            execute(f"UPDATE {TABLE} SET digest = %s WHERE id = %s", [digest_of(event), event.pk])
    events_seal()
    anchors = anchor_path().read_text()
    anchor_path().unlink()
    assert chain_verify().fault is None, "it is well made but for the key"
    anchor_path().write_text(anchors)
    settings.AUDIT_KEYS = mine
    found = chain_verify()
    assert found.fault.code == "audit_content_changed"
    assert found.changed == 6


def test_a_new_key_reads_what_the_old_one_wrote(sealed, settings):
    settings.AUDIT_KEYS = ["a new key of thirty-two characters, at least", settings.SECRET_KEY]
    record(3)
    events_seal()
    assert chain_verify().fault is None
    settings.AUDIT_KEYS = settings.AUDIT_KEYS[:1]
    assert chain_verify().fault.code == "audit_content_changed"
