"""How gunicorn serves PneumoniApp; read by itself from the folder it is started in."""

import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path

bind = os.environ.get("BIND") or "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 16)
worker_class = "gthread"
# Loaded once and then forked: a quicker start, and less memory.
preload_app = True
timeout = 60
keepalive = 5
accesslog = None  # operations.middleware writes one line a request, without addresses.
control_socket_disable = True
# Who the client is and whether it came by https is decided by TRUSTED_PROXIES alone.
forwarded_allow_ips = ""
secure_scheme_headers = {}
MEMORY = Path("/dev/shm")  # noqa: S108
if MEMORY.is_dir():
    worker_tmp_dir = str(MEMORY)
# What the numbers below need at most, and some.
METRICS_BYTES = 32 * 1024 * 1024


def metrics_folder(memory=MEMORY):
    """A new private folder for the numbers, and the lock that says that it is in use.

    The files in it are sparse and mapped: a process that counts while their disk is full is
    killed by SIGBUS. So they are in memory where there is room; data can't fill that.
    """
    prefix = f"pneumoniapp-metrics-{os.getuid()}-"
    places = [None]  # The system's temporary folder.
    if memory.is_dir() and os.access(memory, os.W_OK):
        for left in memory.glob(f"{prefix}*"):  # By a server that was killed.
            if (lock := _lock(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        usage = os.statvfs(memory)
        if usage.f_bavail * usage.f_frsize >= METRICS_BYTES:
            places.insert(0, memory)
    folder = tempfile.mkdtemp(prefix=prefix, dir=places[0])
    return folder, _lock(folder)


def _lock(folder):
    """A descriptor that holds ``folder`` until it is closed; none while somebody else does."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


# Each process keeps its numbers in a file here, so that any of them can answer for all.
own_metrics = not os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if own_metrics:
    os.environ["PROMETHEUS_MULTIPROC_DIR"], metrics_lock = metrics_folder()


class _WithoutAddress(logging.Filter):
    """gunicorn names the whole address, query string included, of what failed, and quotes what
    it could not read."""

    def filter(self, record):
        if str(record.msg).startswith("Error handling request"):
            record.msg, record.args = "Error handling request", ()
        elif str(record.msg).startswith("Invalid request from ip="):
            record.msg, record.args = str(record.msg).partition(": ")[0], ()
        return True


def on_starting(server):
    """Let gunicorn's own lines go the way of all others."""
    log = logging.getLogger("gunicorn.error")
    log.handlers.clear()
    log.propagate = True
    log.addFilter(_WithoutAddress())


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    if own_metrics:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
