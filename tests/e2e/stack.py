"""The whole application as ``make run`` starts it, in a folder and on a port of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path

from operations.backup.keys import new_key

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


class Stack:
    """Web server, real worker, scheduler and embedded broker; mails are files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mails = folder / "mails"
        self.log = folder / "run.log"
        self.backup_key = new_key()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def variables(self) -> dict[str, str]:
        """The environment of every process that works on this folder."""
        own = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
        kept = {name: value for name, value in os.environ.items() if name not in own}
        return kept | {
            "VAR_DIR": str(self.folder / "var"),
            "BACKUP_KEYS": self.backup_key,
            "BACKUP_DRILL_DAYS": "0",
        }

    def manage(self, *arguments: str) -> str:
        """What ``manage.py`` prints, on this folder's database."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.variables(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:1])} failed:\n{done.stderr}")
        return done.stdout

    def start(self) -> None:
        variables = self.variables() | {
            "PORT": str(self.port),
            "EMAIL_URL": f"filemail:///{self.mails}",
            "WEB_CONCURRENCY": "1",
            "WORKER_CONCURRENCY": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "run.py")],
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the application did not start:\n{self.log.read_text()}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @contextlib.contextmanager
    def no_worker(self):
        """The worker's processes are there but do nothing: what a doctor sees as "down"."""
        workers = self._processes("worker")
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)

    def _processes(self, word: str) -> list[int]:
        """The ids of this run's Celery processes whose command line has ``word``."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                variables = (folder / "environ").read_bytes().split(b"\0")
                own = f"VAR_DIR={self.folder / 'var'}".encode() in variables
                if own and b"celery" in command and word.encode() in command:
                    found.append(int(folder.name))
        assert found, "no worker runs"
        return found

    def link_mailed_to(self, address: str, *, seconds: float = 20) -> str:
        """The first link in the newest mail to ``address``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for file in sorted(self.mails.glob("*.log"), key=lambda f: -f.stat().st_mtime_ns):
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                if mail["To"] == address:
                    text = mail.get_body(("plain",)).get_content()
                    return re.search(r"https?://\S+", text)[0]
            time.sleep(0.1)
        raise AssertionError(f"no mail to {address}")
