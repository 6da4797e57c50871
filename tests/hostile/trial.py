"""One hostile file put through what the web process does with it, then through the decoder.

Whatever the file, there must be an answer: a coded refusal, or a radiograph. Anything else, or an
answer that takes too long or too much memory, is a :class:`Failure`.
"""

from __future__ import annotations

import io
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pneumoniapp.errors import CodedError, UnexpectedError
from radiology.dicom import limited
from radiology.dicom.deidentify import write_deidentified
from radiology.dicom.header import inspect, peek_header
from radiology.dicom.render import check_contrast
from radiology.errors import (
    DecoderDiedError,
    DecodingInterruptedError,
    DecodingTooCostlyError,
    StorageUnavailableError,
)
from radiology.intake import examine
from radiology.services import SPOOL

# Seconds of the processor that the web process may take, and MiB that it may grow by, for one
# file; seconds by the clock after which whatever runs is stopped.
WEB_SECONDS, WEB_MIB, HANG = 2.0, 200.0, 60
PEEKED = 64 * 1024
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Failure(AssertionError):
    """A file that did something that no file may do."""


class Hang(BaseException):
    """The watchdog: no handler of the program's takes it for its own."""


@dataclass
class Verdict:
    """``web``: ``accepted`` or the code of the refusal; ``decoder``: ``read``, a code, or ``""``.

    Milliseconds of the processor (web) and by the clock (decoder); MiB by which the process grew.
    """

    web: str = ""
    decoder: str = ""
    web_ms: float = 0.0
    web_mib: float = 0.0
    decoder_ms: float = 0.0
    crashed: list[str] = field(default_factory=list)


def tried(content: bytes, *, is_full: bool = True) -> Verdict:
    """Judge ``content``; ``is_full`` has an accepted one made in full depth too.

    Raises :class:`Failure`.
    """
    verdict = Verdict()
    with watched():
        stored = _received(content, verdict)
        if stored is not None:
            _decoded(stored, verdict, is_full=is_full)
    return verdict


@contextmanager
def watched():
    def strike(*_arguments):
        raise Hang

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    except Hang:
        raise Failure(f"nothing came of it in {HANG} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _received(content: bytes, verdict: Verdict) -> bytes | None:
    """What the web process stores of ``content``, or ``None`` when it refuses it."""
    floor = _memory_reset()
    began = time.process_time()
    _code_of(peek_header, io.BytesIO(content[:PEEKED]))
    stored = None
    with tempfile.SpooledTemporaryFile(SPOOL) as clean:
        verdict.web = _code_of(_take_in, io.BytesIO(content), clean) or "accepted"
        verdict.web_ms = 1000 * (time.process_time() - began)
        verdict.web_mib = _memory_peak() - floor
        if verdict.web == "accepted":
            clean.seek(0)
            stored = clean.read()
    if verdict.web_ms > 1000 * WEB_SECONDS:
        raise Failure(f"the web process took {verdict.web_ms:.0f} ms")
    if verdict.web_mib > WEB_MIB:
        raise Failure(f"the web process grew by {verdict.web_mib:.0f} MiB")
    return stored


def _take_in(file: io.BytesIO, clean) -> None:
    write_deidentified(examine(file).inspection, clean)


def _decoded(stored: bytes, verdict: Verdict, *, is_full: bool) -> None:
    try:
        inspect(io.BytesIO(stored))
    except CodedError as error:
        raise Failure(f"what was stored is refused when it is read: {error.code}") from error
    began = time.perf_counter()
    verdict.decoder = _code_of(_read, stored, crashed=verdict.crashed) or "read"
    if is_full:
        _code_of(limited.depth, stored, crashed=verdict.crashed)
    verdict.decoder_ms = 1000 * (time.perf_counter() - began)


def _read(stored: bytes) -> None:
    check_contrast(limited.render(stored))


# Errors that say that the limits did their work.
CONTAINED = (DecoderDiedError, DecodingTooCostlyError, DecodingInterruptedError)


def _code_of(function, *arguments, crashed: list[str] | None = None) -> str:
    """The code of the refusal, or ``""``. Raises :class:`Failure` for what is none."""
    try:
        function(*arguments)
    except (UnexpectedError, StorageUnavailableError) as error:
        raise Failure(f"{function.__name__}: {error.code}") from error
    except CodedError as error:
        if isinstance(error, CONTAINED) and crashed is not None:
            crashed.append(error.code)
        elif not 400 <= error.status < 500:
            raise Failure(f"{function.__name__}: {error.code} is no refusal") from error
        if not str(error):
            raise Failure(f"{error.code} has no sentence") from error
        return error.code
    except Exception as error:
        raise Failure(f"{function.__name__}: {type(error).__name__}: {error}") from error
    return ""


def _memory_reset() -> float:
    """MiB in memory now; the peak counts from here. 0 where the system can't say."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return 0.0
    return _status("VmRSS:")


def _memory_peak() -> float:
    return _status("VmHWM:")


def _status(name: str) -> float:
    if not STATUS.exists():
        return 0.0
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
