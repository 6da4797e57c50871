"""Whatever is killed or cut off, each radiograph ends in exactly one reading."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest

from inference.models import Analysis, ModelVersion, Promotion
from inference.registry import check_files, shipped_directories, version_directory
from inference.services import model_promote, model_register
from tests.inference.factories import copy_model_folder
from tests.services.conftest import TIME_LIMIT
from tests.services.servers import Worker, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(150)]

# What both installations do alike, by the broker or the worker alone, is tried on one.
on_sqlite = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
on_mariadb = pytest.mark.parametrize("installation", ["mariadb"], indirect=True)


def test_a_child_killed_in_mid_task(site):
    """The broker gives the message back, and its next receiver takes the row over at once."""
    worker = site.worker(children=1)
    reading = site.submit()
    site.wait_for_state(reading, "done")

    held, hold = site.submit_held()
    site.wait_for_state(held, "running")
    (child,) = worker.children()
    hold.restore()
    os.kill(child.pid, signal.SIGKILL)
    site.wait_until_finished()
    site.check_each_has_one_reading([reading, held])
    assert site.state(held).attempts == 2
    assert worker.is_running


def test_a_whole_worker_killed_in_mid_task(site):
    """Its message stays with the broker for an hour; the sweeper doesn't wait for that."""
    site.beat()
    worker = site.worker("first")
    held, hold = site.submit_held()
    site.wait_for_state(held, "running")
    worker.kill()
    hold.restore()
    waiting = [site.submit() for _ in range(3)]
    site.worker("second")
    site.wait_until_finished()
    site.check_each_has_one_reading([held, *waiting])
    assert site.state(held).attempts == 2


@on_sqlite
def test_a_file_that_kills_every_worker_is_given_up(site):
    worker = site.worker(children=1)
    held, _hold = site.submit_held()
    killed: set[int] = set()

    def child_at(attempt: int) -> set[int]:
        row = site.state(held)
        if (row.status, row.attempts) != ("running", attempt):
            return set()
        return {child.pid for child in worker.children()} - killed

    for attempt in (1, 2, 3):
        (pid,) = wait_for(partial(child_at, attempt), limit=40, what=f"attempt {attempt}")
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    analysis = site.wait_for_state(held, "failed")
    assert analysis.error_code == "analysis_interrupted"
    after = site.submit()
    site.wait_for_state(after, "done")


@on_sqlite
def test_a_file_that_crashes_its_decoder_costs_no_worker(site):
    """The decoder's process dies in mid-task; child and worker go on, and the row says why."""
    worker = site.worker(children=1)
    site.wait_for_state(site.submit(), "done")
    (child,) = worker.children()
    (decoder,) = child.children()
    decoder.suspend()
    reading = site.submit()
    site.wait_for_state(reading, "running")
    time.sleep(0.5)
    os.kill(decoder.pid, signal.SIGSEGV)
    decoder.resume()
    analysis = site.wait_for_state(reading, "failed")
    assert (analysis.error_code, analysis.attempts) == ("decoder_died", 1)

    site.wait_for_state(site.submit(), "done")
    assert [found.pid for found in worker.children()] == [child.pid]
    (another,) = child.children()
    assert another.pid != decoder.pid


@on_sqlite
def test_no_decoder_outlives_its_worker(site):
    """Stopped as an operator does, or killed with its children: nothing stays behind."""
    for end in (Worker.stop, Worker.kill):
        worker = site.worker(children=2)
        for reading in [site.submit() for _ in range(6)]:
            site.wait_for_state(reading, "done")
        decoders = [found for child in worker.children() for found in child.children()]
        assert decoders
        end(worker)
        _gone, alive = psutil.wait_procs(decoders, timeout=5)
        assert not alive


@on_mariadb
def test_a_reading_that_hangs_is_stopped_and_tried_again(site):
    site.worker()
    held, hold = site.submit_held()
    site.wait_for_state(held, "running")
    site.wait_for_state(held, "queued", limit=2 * TIME_LIMIT)
    hold.restore()
    site.beat()
    site.wait_until_finished()
    site.check_each_has_one_reading([held])
    assert site.state(held).attempts == 2


def test_the_broker_is_down_at_upload_and_back_later(site):
    """The worker is in mid-task when its broker dies, and goes on when it is back."""
    site.beat()
    worker = site.worker()
    before = site.submit()
    site.wait_for_state(before, "done")
    held, hold = site.submit_held()
    site.wait_for_state(held, "running")
    site.redis.kill()
    began = time.monotonic()
    during = [site.submit() for _ in range(3)]
    assert time.monotonic() - began < 6, "an upload does not wait for the broker"
    assert {site.state(reading).status for reading in during} == {"queued"}
    hold.let_go()
    site.wait_for_state(held, "done")
    site.redis.start()
    site.wait_until_finished()
    after = site.submit()
    site.wait_for_state(after, "done")
    site.check_each_has_one_reading([before, held, *during, after])
    assert worker.is_running


def test_the_broker_hangs_at_upload_and_wakes_later(site):
    """Connections that were in use, and new ones, are given up in seconds."""
    site.beat()
    worker = site.worker()
    before = site.submit()
    site.wait_for_state(before, "done")
    with site.redis.suspended():
        began = time.monotonic()
        during = site.submit()
        assert time.monotonic() - began < 5, "an upload does not wait for the broker"
        assert site.state(during).status == "queued"
    site.wait_until_finished()
    site.check_each_has_one_reading([before, during])
    assert worker.is_running


@on_sqlite
def test_the_broker_forgets_its_messages(site):
    site.beat()
    readings = [site.submit() for _ in range(3)]
    with site.redis.client() as client:
        client.flushall()
    site.worker()
    site.wait_until_finished()
    site.check_each_has_one_reading(readings)


@on_mariadb
def test_the_database_is_restarted(site):
    site.beat()
    worker = site.worker()
    held, hold = site.submit_held()
    site.wait_for_state(held, "running")
    waiting = site.submit_many(20, clients=4)
    with site.database_down():
        hold.let_go()
        time.sleep(2)
    site.wait_until_finished()
    site.check_each_has_one_reading([held, *waiting], lines_lost=2)
    assert worker.is_running


def test_the_same_message_delivered_twice_to_two_workers(site):
    site.worker("first", children=1)
    site.worker("second", children=1)
    readings = []
    for number in range(10):
        reading = site.submit()
        for _ in range(2):
            site.send(reading, task_id=f"twin-{number}")
        readings.append(reading)
    site.wait_until_finished()
    wait_for(lambda: site.messages() == (0, 0), what="all messages to be taken")
    site.check_each_has_one_reading(readings)
    assert {site.state(reading).attempts for reading in readings} == {1}


@on_sqlite
def test_the_same_message_delivered_twice_in_mid_task(site):
    site.worker("first", children=1)
    site.worker("second", children=1)
    held, hold = site.make_held()
    site.send(held, task_id="twin")
    site.wait_for_state(held, "running")
    site.send(held, task_id="twin")
    beside = site.submit()
    site.wait_for_state(beside, "done")
    wait_for(lambda: site.messages() == (0, 1), what="the second message to be left")
    assert site.state(held).status == "running"
    hold.let_go()
    site.wait_until_finished()
    site.check_each_has_one_reading([held, beside])
    assert site.state(held).attempts == 1


def test_two_hundred_uploads_while_workers_are_killed(site):
    site.beat()
    first, second, web = site.worker("first"), site.worker("second"), site.web()
    readings = []
    for part in range(4):
        readings += site.upload_many(web, 50, clients=8)
        if part == 1:
            os.kill(first.children()[0].pid, signal.SIGKILL)
        if part == 2:
            second.kill()
    site.wait_until_finished()
    assert len(readings) == 200
    # One child was killed, then a worker with two.
    site.check_each_has_one_reading(readings, lines_lost=3)


@on_mariadb
def test_a_promotion_reaches_running_workers(site, tmp_path):
    worker = site.worker(children=1)
    before = site.submit()
    first = site.wait_for_state(before, "done").model_version
    folder = copy_model_folder(shipped_directories()[-1], tmp_path / "next", version="next")
    second = model_register(directory=folder)
    model_promote(model_version=second)
    children = [child.pid for child in worker.children()]
    after = site.submit()
    assert site.wait_for_state(after, "done").model_version == second != first
    assert [child.pid for child in worker.children()] == children
    assert Analysis.objects.get(pk=before.analysis.pk).model_version == first


def test_two_machines_register_the_shipped_model_at_once(site):
    installation = site.installation
    Promotion.objects.all().delete()
    ModelVersion.objects.all().delete()
    shutil.rmtree(installation.environment["MODEL_ROOT"])
    command = ("models", "register", "--shipped", "--promote-if-none")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: installation.manage(*command), range(2)))
    version = ModelVersion.objects.get()
    assert version.in_production
    assert Promotion.objects.count() == 1
    check_files(version_directory(version), version.facts)
