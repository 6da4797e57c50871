"""The process that decodes: started by :mod:`~radiology.dicom.limited`, never imported by it.

``python -m radiology.dicom.decoder_process SOCKET EXCHANGE MEMORY SECONDS PARENT``: two inherited
file descriptors, MiB of address space, seconds of processor time for one job, and the process
with which this one ends. A job and its answer are one JSON message each on the socket; the file
and what becomes of it lie in the exchange, an anonymous file that both have open.

It begins with an empty environment: no database, no keys, no settings but the limits in the job.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import BinaryIO

from django.conf import settings

PR_SET_PDEATHSIG = 1
MOST_OPEN_FILES = 64


def main(socket: int, exchange: int, memory: int, seconds: int, parent: int) -> None:
    """Do one job after the other until the socket is closed."""
    _limit(memory, parent)
    settings.configure(USE_I18N=False, USE_TZ=True)
    from . import depth, render  # noqa: F401  Before the first job: it need not wait for them.

    connection = Connection(socket)
    with contextlib.suppress(EOFError, OSError), os.fdopen(exchange, "r+b", buffering=0) as file:
        connection.send_bytes(b'{"ready": true}')
        while True:
            job = json.loads(connection.recv_bytes())
            _limit_job(seconds, job["seconds"])
            answer = _answer(job, file)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send_bytes(json.dumps(answer).encode())


def _limit(memory: int, parent: int) -> None:
    """What the kernel holds this process to, for good."""
    for name, limit in (
        (resource.RLIMIT_AS, memory * 1024 * 1024),
        (resource.RLIMIT_FSIZE, memory * 1024 * 1024),
        (resource.RLIMIT_NOFILE, MOST_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),  # A memory image on the disk would hold pixels.
    ):
        _, most = resource.getrlimit(name)
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        with contextlib.suppress(ValueError, OSError):  # Not every system knows every limit.
            resource.setrlimit(name, (limit, limit))
    # Whoever stops the worker lets it finish its reading: this process ends with the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit()


def _limit_job(processor: int, clock: float) -> None:
    """Let the kernel end this process when one job takes longer, whatever a decoder does."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime) + processor
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, clock)


def _answer(job: dict, file: BinaryIO) -> dict:
    """Do the job; what it makes replaces the file in the exchange."""
    from pneumoniapp.errors import CodedError

    for name, value in job["limits"].items():
        setattr(settings, name, value)
    try:
        answer, content = JOBS[job["name"]](file)
        file.seek(0)
        file.truncate()
        file.write(content)
    except CodedError as error:
        return {"error": error.code, "params": error.params}
    except MemoryError:
        return {"error": "decoding_too_costly", "params": {}}
    except OSError:
        return {"error": "storage_unavailable", "params": {}}
    except Exception as error:
        # The trace without the text, which may quote what the file holds.
        trace = traceback.format_tb(error.__traceback__)[-10:]
        return {"error": "unexpected_error", "type": type(error).__name__, "trace": trace}
    return answer


def _render(file: BinaryIO) -> tuple[dict, memoryview]:
    from .render import render

    image = render(file)
    return {"rows": image.shape[0], "columns": image.shape[1]}, image.data


def _depth(file: BinaryIO) -> tuple[dict, bytes]:
    from .decode import stored_values
    from .depth import encode_depth
    from .header import inspect

    inspection = inspect(file, judged=False)
    content = encode_depth(inspection, stored_values(inspection))
    return {"size": len(content)}, content


JOBS = {"render": _render, "depth": _depth}

if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
