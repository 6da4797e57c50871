"""How gunicorn serves PneumoniApp; read by itself from the folder it is started in."""

import logging
import os
import shutil
import tempfile

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
if os.path.isdir("/dev/shm"):  # noqa: PTH112, S108
    worker_tmp_dir = "/dev/shm"  # noqa: S108

# Each process keeps its numbers in a file here, so that any of them can answer for all.
own_metrics = not os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if own_metrics:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="pneumoniapp-metrics-")


class _WithoutAddress(logging.Filter):
    """gunicorn names the whole address, query string included, of what failed."""

    def filter(self, record):
        if str(record.msg).startswith("Error handling request"):
            record.msg, record.args = "Error handling request", ()
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
