"""Decoding in a process of its own, with limits of memory and time. Worker and commands only.

Decoders are C and C++ code that reads hostile files: one may end its process, take all memory or
never come back. So the worker decodes nothing itself. It keeps one warm process
(:mod:`~radiology.dicom.decoder_process`) that has no database, no keys and no environment, and
makes another when that one dies, breaks a limit or has done ``FILES_EACH`` files.
``docs/decisions/0018-pixels-are-decoded-in-a-process-with-limits.md`` has the measurements.

Nothing that process answers is believed: messages are JSON of bounded size, sizes are compared
with the limits, and what it made is copied, never mapped.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np
import structlog
from django.conf import settings

from pneumoniapp.errors import REGISTRY, CodedError, UnexpectedError
from radiology.errors import (
    DecoderDiedError,
    DecodingInterruptedError,
    DecodingTooCostlyError,
    StorageUnavailableError,
)

# What a process has done when another takes its place: no leak of a decoder grows for ever.
FILES_EACH = 500
# Seconds until a new process must be ready; it takes half of one.
START_LIMIT = 30
MOST_ANSWER = 64 * 1024
# The limits of a file that the other process must know.
LIMITS = ("RADIOGRAPH_MAX_BYTES", "RADIOGRAPH_MAX_DEFLATE_RATIO", "RADIOGRAPH_MAX_SIDE")
# The little of the environment that a program needs to find its libraries and its temporary
# folder. One processor each: a worker has as many children as there are.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Ended from outside, by whoever stops machines or is short of memory: the file may be innocent.
BLAMELESS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

# After these the process is gone, or nobody knows what it is doing.
FATAL = (DecoderDiedError, DecodingInterruptedError, DecodingTooCostlyError)

log = structlog.get_logger(__name__)


def render(content: bytes) -> np.ndarray:
    """A DICOM file as ``radiology.dicom.render.render`` shows it, ``uint8`` (rows, columns).

    Raises its coded errors, and ``DecoderDiedError``, ``DecodingTooCostlyError``,
    ``DecodingInterruptedError``, ``StorageUnavailableError``.
    """

    def taken(answer: dict, exchange: BinaryIO) -> np.ndarray:
        rows, columns = (int(answer[side]) for side in ("rows", "columns"))
        if not 0 < rows <= settings.RADIOGRAPH_MAX_SIDE >= columns > 0:
            raise ValueError
        return np.fromfile(exchange, np.uint8, rows * columns).reshape(rows, columns)

    return _decoder.run("render", content, taken)


def depth(content: bytes) -> bytes:
    """A DICOM file's full depth as ``radiology.dicom.depth.encode_depth`` makes it.

    Raises what :func:`render` raises.
    """

    def taken(answer: dict, exchange: BinaryIO) -> bytes:
        size = int(answer["size"])
        made = exchange.read(min(size, 4 * settings.RADIOGRAPH_MAX_SIDE**2))
        if len(made) != size:
            raise ValueError
        return made

    return _decoder.run("depth", content, taken)


def warm() -> None:
    """Start the process, if there is none, without waiting for it."""
    _decoder.warm()


class Decoder:
    """One process that decodes, kept warm; see the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self._connection: Connection | None = None
        self._exchange: BinaryIO | None = None
        self._is_ready, self._done = False, 0

    def run(self, name: str, content: bytes, taken: Callable[[dict, BinaryIO], object]):
        """Let the other process do the job ``name`` on ``content``.

        ``taken`` makes something of its answer and of the exchange, which stands at its
        beginning; what it raises for an answer that makes no sense counts as a dead process.
        Whatever goes wrong or strikes meanwhile (a time limit), that process is not used again.
        """
        with self._lock:
            try:
                found = self._run(name, content, taken)
            except BaseException as error:
                if not isinstance(error, CodedError) or isinstance(error, FATAL):
                    self.stop()
                raise
            if self._done >= FILES_EACH:
                self.stop()
                self._start()
            return found

    def _run(self, name: str, content: bytes, taken: Callable):
        self._be_ready()
        seconds = clock_limit()
        try:
            self._exchange.seek(0)
            self._exchange.truncate()
            if self._exchange.write(content) != len(content):
                raise StorageUnavailableError
        except OSError as error:
            raise StorageUnavailableError from error
        limits = {limit: getattr(settings, limit) for limit in LIMITS}
        self._send({"name": name, "limits": limits, "seconds": seconds})
        self._done += 1
        answer = self._receive(seconds + 1)
        try:
            if "error" in answer:
                raise self._error(answer)
            self._exchange.seek(0)
            return taken(answer, self._exchange)
        except (AttributeError, KeyError, TypeError, ValueError) as cause:
            raise DecoderDiedError from cause
        finally:
            self._exchange.truncate(0)

    def warm(self) -> None:
        with self._lock:
            if self.process is None:
                self._start()

    def _start(self) -> None:
        """Start the process; it begins to import while this one goes on."""
        ours, theirs = socket.socketpair()
        self._exchange = _anonymous_file()
        # The kernel ends it with the thread that made it: of use where that is the process's.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        inherited = (theirs.fileno(), self._exchange.fileno())
        command = [sys.executable, "-m", "radiology.dicom.decoder_process"]
        numbers = (*inherited, settings.DECODER_MEMORY_MIB, settings.DECODER_SECONDS, parent)
        kept = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
        with ours, theirs:
            self.process = subprocess.Popen(  # noqa: S603  Our own program, with numbers.
                [*command, *map(str, numbers)],
                cwd=settings.BASE_DIR,
                env=kept | ONE_THREAD,
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # A signal to all of a terminal's or a worker's processes is not for it.
                start_new_session=True,
            )
            self._connection = Connection(ours.detach())
        self._is_ready, self._done = False, 0

    def _be_ready(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            self.stop()  # It died while nobody needed it.
        if self.process is None:
            self._start()
        if not self._is_ready:
            try:
                self._receive(START_LIMIT)
            except (DecoderDiedError, DecodingTooCostlyError) as error:
                raise DecodingInterruptedError from error
            self._is_ready = True

    def _send(self, job: dict) -> None:
        try:
            self._connection.send_bytes(json.dumps(job).encode())
        except OSError as error:
            raise DecodingInterruptedError from error

    def _receive(self, seconds: float) -> dict:
        """The next answer; raises what the end of the process means."""
        try:
            if not self._connection.poll(seconds):
                log.warning("decoder_too_slow", seconds=seconds)
                raise DecodingInterruptedError
            answer = json.loads(self._connection.recv_bytes(MOST_ANSWER))
        except (EOFError, ValueError, OSError) as error:
            raise self._death() from error
        if not isinstance(answer, dict):
            raise DecoderDiedError
        return answer

    def _death(self) -> Exception:
        """Why the process is gone, by the signal or the status that it ended with."""
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            status = None  # It closed its socket and lives on.
        log.warning("decoder_died", status=status, files=self._done)
        if status == -signal.SIGXCPU:
            return DecodingTooCostlyError()
        if status == -signal.SIGALRM or (status is not None and -status in BLAMELESS):
            return DecodingInterruptedError()
        return DecoderDiedError()

    @staticmethod
    def _error(answer: dict) -> Exception:
        if answer["error"] == UnexpectedError.code:
            log.error("decoder_failed", type=str(answer["type"]), trace=list(answer["trace"]))
        error = REGISTRY[answer["error"]](**(answer.get("params") or {}))
        str(error)  # A sentence that lacks its facts would fail whoever shows it.
        return error

    def stop(self) -> None:
        """Kill the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Close what leads to the process: left alone, it ends by itself."""
        for end in (self._connection, self._exchange):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()
        self.process = self._connection = self._exchange = None
        self._is_ready = False


def clock_limit() -> float:
    """Seconds by the clock for one job: before the limit of a whole reading strikes."""
    return min(2 * settings.DECODER_SECONDS, 0.6 * settings.ANALYSIS_TIME_LIMIT)


def _anonymous_file() -> BinaryIO:
    """A file without a name, in memory where the system has that, that a child may inherit."""
    try:
        if hasattr(os, "memfd_create"):
            return os.fdopen(os.memfd_create("radiograph"), "w+b", buffering=0)
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise StorageUnavailableError from error


_decoder = Decoder()


def _after_fork() -> None:
    """A fork has no process of its own yet, and must not keep its parent's alive."""
    global _decoder
    if _decoder.process is not None:
        _decoder.process.returncode = 0  # Not this process's to wait for.
    _decoder.forget()
    _decoder = Decoder()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(lambda: _decoder.stop())
