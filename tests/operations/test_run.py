"""``make run`` itself: everything starts, the address answers, and nothing stays behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
import redis
from django.conf import settings

from pneumoniapp.settings.environment import embedded_socket
from tests.services.servers import free_port, wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

ROOT = settings.BASE_DIR
# Seconds within which a start must be ready on a machine that others use too.
PATIENCE = 90


class Run:
    """One ``python scripts/run.py``, the last step of ``make run``, in folders of its own."""

    def __init__(self, folder: Path, port: int, **variables: str):
        self.folder, self.port = folder, port
        self.log = folder.parent / f"{uuid.uuid4()}.log"
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("DJANGO_", "CELERY_"))}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "run.py")],
                env=kept | {"VAR_DIR": str(folder), "PORT": str(port)} | variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> float:
        """Wait for the line that says so; the seconds that it names."""
        wait_for(
            lambda: "PneumoniApp is ready" in self.text or self.process.poll() is not None,
            limit=PATIENCE,
            what=f"ready, but: {self.text}",
        )
        found = re.search(r"is ready: http://127.0.0.1:\d+ +\(after ([\d.]+) s", self.text)
        assert found, self.text
        return float(found[1])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as page:
                return page.status, page.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get_quietly(self, path: str) -> int | None:
        try:
            return self.get(path)[0]
        except OSError:
            return None

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose name has a space and whose path is too long for a Unix socket.

    All runs of this module use it, one after the other: the first prepares it.
    """
    return tmp_path_factory.mktemp("run") / f"var of a person {'x' * 80}"


@pytest.fixture
def start(folder):
    runs = []

    def starter(port: int | None = None, **variables: str) -> Run:
        runs.append(Run(folder, port or free_port(), **variables))
        return runs[-1]

    yield starter
    for run in runs:
        run.end()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_start_answer_stop_and_start_again(start):
    run = start()
    run.ready()
    status, body = run.get("/health/ready")
    assert (status, json.loads(body)["status"]) == (200, "ready")
    assert run.get("/")[0] == 200
    assert run.get("/static/css/app.css")[0] == 200
    commands = " ".join(" ".join(process.cmdline()) for process in run.family())
    for part in ("redis-server", "gunicorn", "celery"):
        assert part in commands
    wait_for(lambda: "beat" in " ".join(p.name() + str(p.cmdline()) for p in run.family()))

    # A web process that dies is replaced, and its numbers stay.
    before = run.get("/metrics")
    master = next(p for p in run.family() if "gunicorn" in " ".join(p.cmdline()))
    master.children()[0].kill()
    wait_for(lambda: run.get_quietly("/health/live") == 200, what="a new web process")
    assert before[0] == run.get("/metrics")[0] == 200

    family = run.family()
    assert run.end(signal.SIGINT) == 0
    assert gone(family)
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0

    again = start(run.port)
    again.ready()
    assert "prepare" not in again.text, "nothing was new"
    assert again.end(signal.SIGTERM) == 0
    assert not embedded_socket(run.folder).parent.exists()


def test_a_closed_terminal_stops_everything(start):
    run = start()
    run.ready()
    family = run.family()
    assert run.end(signal.SIGHUP) == 0
    assert gone(family)


def test_killed_hard_nothing_stays_and_the_next_start_works(start):
    run = start()
    run.ready()
    family = run.family()
    run.process.kill()
    wait_for(lambda: gone(family), limit=40, what="the children end by themselves")
    again = start(run.port)
    again.ready()
    assert again.get("/health/live")[0] == 200


def test_one_that_dies_takes_the_others_along_and_is_named(start):
    run = start()
    run.ready()
    family = run.family()
    next(p for p in family if "worker" in p.cmdline() and p.ppid() == run.process.pid).kill()
    assert run.process.wait(40) == 1
    assert gone(family)
    assert "worker ended by itself" in run.text


def test_a_scheduler_that_dies_is_started_again_and_the_others_live(start):
    """As on a full disk, where it can't write its schedule."""
    run = start()
    run.ready()

    def scheduler() -> list[psutil.Process]:
        found = []
        for process in run.family():
            with suppress(psutil.Error):  # A zombie has no command line.
                found += [process] if "beat" in process.cmdline() else []
        return found

    others = [p for p in run.family() if "beat" not in p.cmdline()]
    wait_for(scheduler, what="a scheduler")
    [first] = scheduler()
    first.kill()
    wait_for(lambda: scheduler() not in ([], [first]), limit=40, what="another scheduler")
    assert all(p.is_running() for p in others)
    assert run.get("/health/live")[0] == 200
    # What web processes count is not where a full disk of the data would kill them.
    assert not list(run.folder.glob("metrics/*.db"))
    family = run.family()
    assert run.end() == 0
    assert gone(family)


def test_a_port_in_use_is_a_clear_sentence(start):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = start(port)
        assert run.process.wait(30) == 1
    assert f"Port {port} can't be used (address already in use)" in run.text
    assert "Traceback" not in run.text


def test_a_second_one_in_the_same_folder_is_refused(start):
    run = start()
    run.ready()
    other = start()
    assert other.process.wait(30) == 1
    assert (
        f"PneumoniApp runs from this folder already, at http://127.0.0.1:{run.port}" in other.text
    )
    assert run.get("/health/live")[0] == 200


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none(start, port):
    run = start(port)
    assert run.process.wait(30) == 1
    assert f"PORT={port} is not a port" in run.text


def test_what_is_queued_survives_a_stop(start, folder):
    run = start()
    run.ready()
    with closing(redis.Redis(unix_socket_path=str(embedded_socket(folder)))) as broker:
        broker.lpush("a-queue", "a message that nobody has taken")
    run.end()
    start().ready()
    with closing(redis.Redis(unix_socket_path=str(embedded_socket(folder)))) as broker:
        assert broker.lrange("a-queue", 0, -1) == [b"a message that nobody has taken"]
