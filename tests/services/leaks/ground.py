"""An installation as ``make run`` starts it, in a folder where everything that it writes lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace

import psutil
import redis

from operations.backup.keys import new_key
from pneumoniapp.settings import environment
from tests.services.servers import ROOT, free_port, wait_for


class Ground:
    """``scripts/run.py`` with its processes: one folder, one log, temporary files included."""

    def __init__(self, folder: Path, *, database_url: str = "", redis_url: str = "") -> None:
        self.folder, self.var, self.log = folder, folder / "var", folder / "run.log"
        self.mails, self.temporary = folder / "mails", folder / "tmp"
        for made in (self.var, self.mails, self.temporary):
            made.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.brokers = [redis_url] if redis_url else []
        self.variables = {
            "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local",
            "DEBUG": "false",
            "SECRET_KEY": "leaks-tests",
            "VAR_DIR": str(self.var),
            "TMPDIR": str(self.temporary),
            "PORT": str(self.port),
            "EMAIL_URL": f"filemail:///{self.mails}",
            "ADMINS": "admins@example.org",
            "DOCTOR_VERIFICATION_REQUIRED": "true",
            "FILE_KEYS": new_key(),
            "BACKUP_KEYS": new_key(),
            "BACKUP_DRILL_DAYS": "0",
            "QUERY_SAMPLE": "1",
            "RADIOGRAPH_MAX_BYTES": "3000000",
            "SWEEP_INTERVAL": "2",
            "HEARTBEAT_INTERVAL": "2",
            "ANALYSIS_REQUEUE_AFTER": "3",
            "WEB_CONCURRENCY": "1",
            "WORKER_CONCURRENCY": "1",
            "LOG_LEVEL": "DEBUG" if not database_url else "INFO",
            "LOG_FORMAT": "console" if not database_url else "json",
        }
        if database_url:
            self.variables |= {
                "DATABASE_URL": database_url,
                "CELERY_BROKER_URL": f"{redis_url}/4",
                "CACHE_URL": f"{redis_url}/5",
            }
        # What ``connected_to`` wants of an installation.
        self.database = environment.database(database_url, folder=self.var, max_age=0)
        self.redis = SimpleNamespace(url="memory://")

    def start(self) -> None:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "run.py")],
                cwd=ROOT,
                env=os.environ | self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(
            lambda: "PneumoniApp is ready" in self.said() or self.process.poll() is not None,
            limit=120,
            what="the application to be ready",
        )
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def commands(self) -> list[str]:
        """The command line of every process."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [" ".join(process.cmdline()) for process in family]

    def broker(self, number: int = 0) -> redis.Redis:
        """Redis of the broker (and the cache, where there is one), by number of its database."""
        if self.brokers:
            return redis.Redis.from_url(f"{self.brokers[0]}/{number}")
        return redis.Redis(unix_socket_path=str(environment.embedded_socket(self.var)))

    def mailed(self, address: str, word: str) -> str:
        """The text of a mail to ``address`` that has ``word``, as soon as there is one."""

        def look() -> str | None:
            for file in sorted(self.mails.iterdir()):
                for part in file.read_bytes().split(b"-" * 79):
                    mail = message_from_bytes(part.strip() + b"\n", policy=policy.default)
                    if mail["To"] == address and word in mail.get_content():
                        return mail.get_content()
            return None

        return wait_for(look, limit=30, what=f"a mail to {address} with {word}")


class Overheard(threading.Thread):
    """Every command that reaches Redis, with its arguments: messages, cache, limits, results."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(daemon=True)
        self.client = ground.broker()
        self.heard: list[bytes] = []
        self.ready = threading.Event()

    def run(self) -> None:
        with suppress(redis.exceptions.RedisError, OSError, ValueError):
            connection = self.client.connection_pool.get_connection()
            connection.send_command("MONITOR")
            connection.read_response()
            self.ready.set()
            while True:
                line = connection.read_response(disable_decoding=True)
                self.heard.append(unescaped(line))


def unescaped(line: bytes) -> bytes:
    """What ``MONITOR`` writes, with its ``\\xNN`` and quotes taken back."""
    return line.decode("unicode_escape").encode("latin-1")
