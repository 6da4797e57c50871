"""Whatever becomes of the process that decodes, there is an image or a coded error."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings as django_settings
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pneumoniapp.errors import PermanentError, RetriableError
from radiology.dicom import limited
from radiology.dicom.decode import stored_values
from radiology.dicom.depth import encode_depth
from radiology.dicom.header import inspect
from radiology.dicom.render import render
from radiology.errors import (
    DecoderDiedError,
    DecodingInterruptedError,
    DecodingTooCostlyError,
    TooManyPixelsError,
    TruncatedError,
)

from .factories import chest_pixels, dicom_bytes

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and Linux's limits")


@pytest.fixture
def decoder(monkeypatch):
    """A decoder of the test's own, in the place of the one of this process."""
    made = limited.Decoder()
    monkeypatch.setattr(limited, "_decoder", made)
    yield made
    made.stop()


@pytest.fixture
def content() -> bytes:
    return dicom_bytes(rows=96, columns=80)


def strike(decoder, number: int) -> None:
    """Send ``number`` to the process, warm and stopped, once it has a job."""
    process = psutil.Process(decoder.process.pid)
    process.suspend()

    def later() -> None:
        time.sleep(0.2)
        os.kill(process.pid, number)
        os.kill(process.pid, signal.SIGCONT)

    threading.Thread(target=later).start()


@pytest.mark.parametrize("syntax", [None, JPEGLosslessSV1, JPEG2000Lossless, JPEGBaseline8Bit])
def test_it_is_what_decoding_here_gives(decoder, syntax):
    content = dicom_bytes(**({"transfer_syntax": syntax} if syntax else {}))
    image = limited.render(content)
    np.testing.assert_array_equal(image, render(io.BytesIO(content)))
    assert image.flags.writeable
    inspection = inspect(io.BytesIO(content))
    assert limited.depth(content) == encode_depth(inspection, stored_values(inspection))


def test_refusals_come_through_with_their_facts(decoder, content, settings):
    with pytest.raises(TruncatedError):
        limited.render(content[:-100])
    settings.RADIOGRAPH_MAX_SIDE = 90
    with pytest.raises(TooManyPixelsError) as refusal:
        limited.render(content)
    assert refusal.value.params == {"rows": 96, "columns": 80, "limit": 90}
    pid = decoder.process.pid
    settings.RADIOGRAPH_MAX_SIDE = 96
    assert limited.render(content).shape == (96, 80)
    assert decoder.process.pid == pid  # A file that is refused costs no process.


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE])
def test_a_decoder_that_crashes_is_the_files_fault(decoder, content, number):
    limited.render(content)
    strike(decoder, number)
    with pytest.raises(DecoderDiedError):
        limited.render(content)
    assert limited.render(content).shape == (96, 80)
    assert issubclass(DecoderDiedError, PermanentError)


def test_a_decoder_that_is_killed_may_try_again(decoder, content):
    """The kernel kills for want of memory, whoever took it."""
    limited.render(content)
    strike(decoder, signal.SIGKILL)
    with pytest.raises(DecodingInterruptedError):
        limited.render(content)
    assert limited.render(content).shape == (96, 80)
    assert issubclass(DecodingInterruptedError, RetriableError)


def test_a_process_that_died_while_nobody_needed_it_is_replaced(decoder, content):
    limited.render(content)
    decoder.process.kill()
    decoder.process.wait()
    assert limited.render(content).shape == (96, 80)


def test_a_decoder_that_never_comes_back_is_killed(decoder, content, settings):
    limited.render(content)
    stopped = psutil.Process(decoder.process.pid)
    settings.ANALYSIS_TIME_LIMIT = 1
    stopped.suspend()
    began = time.monotonic()
    with pytest.raises(DecodingInterruptedError):
        limited.render(content)
    assert time.monotonic() - began < 5
    assert not stopped.is_running()
    settings.ANALYSIS_TIME_LIMIT = 60
    assert limited.render(content).shape == (96, 80)


@linux_only
def test_a_decoder_that_takes_too_long_is_ended_by_the_kernel(decoder, settings):
    settings.DECODER_SECONDS = 0  # What is left of the second that starting it began.
    settings.ANALYSIS_TIME_LIMIT = 60
    pixels = np.tile(chest_pixels(1024, 1024, bits_stored=8), (8, 8))
    content = dicom_bytes(pixels=pixels, transfer_syntax=JPEGBaseline8Bit)
    # By the clock it may take its time: only the processor's is limited here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limited, "clock_limit", lambda: 60)
        with pytest.raises(DecodingTooCostlyError):
            limited.depth(content)


@linux_only
@pytest.mark.parametrize(
    "syntax",
    [None, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, RLELossless],
    ids=str,
)
def test_a_decoder_that_takes_too_much_memory_is_refused_it(decoder, settings, syntax):
    settings.DECODER_MEMORY_MIB = 420  # Some 350 hold the program itself.
    pixels = np.tile(chest_pixels(1024, 1024), (4, 4))
    big = dicom_bytes(pixels=pixels, **({"transfer_syntax": syntax} if syntax else {}))
    with pytest.raises(PermanentError) as refusal:
        limited.depth(big)
    assert refusal.value.code in {"decoding_too_costly", "decoder_died", "undecodable"}
    if syntax is None:
        assert refusal.value.code == "decoding_too_costly"
    assert limited.render(dicom_bytes(rows=96, columns=80)).shape == (96, 80)


def test_a_time_limit_of_the_worker_leaves_nothing_behind(decoder, content):
    """It strikes while the answer is on its way: the next file must not get that answer."""
    limited.render(content)
    first = psutil.Process(decoder.process.pid)

    def struck(*_arguments):
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, struck)
    first.suspend()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            limited.render(content)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not first.is_running()
    assert limited.render(dicom_bytes(rows=70, columns=66)).shape == (70, 66)


def test_it_is_made_anew_after_many_files(decoder, content, monkeypatch):
    monkeypatch.setattr(limited, "FILES_EACH", 2)
    limited.render(content)
    pid = decoder.process.pid
    limited.render(content)
    assert decoder.process.pid != pid
    assert limited.render(content).shape == (96, 80)


@linux_only
def test_it_knows_no_secret_and_holds_no_connection(decoder, content, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "a-secret-key")
    limited.render(content)
    process = psutil.Process(decoder.process.pid)
    assert "SECRET_KEY" not in process.environ()
    assert not set(process.environ()) - {*limited.ENVIRONMENT, *limited.ONE_THREAD, "LC_CTYPE"}
    assert not process.net_connections(kind="inet")
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 12  # noqa: PTH208
    assert os.path.getsize(f"/proc/{os.getpid()}/fd/{decoder._exchange.fileno()}") == 0  # noqa: PTH202


@linux_only
@pytest.mark.parametrize("is_busy", [False, True])
def test_it_ends_with_its_worker(tmp_path, is_busy):
    program = (
        "import django, sys, time; django.setup()\n"
        "from radiology.dicom import limited\n"
        f"limited.render(open({str(tmp_path / 'image.dcm')!r}, 'rb').read())\n"
        "print(limited._decoder.process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    Path(tmp_path / "image.dcm").write_bytes(dicom_bytes(rows=96, columns=80))
    environment = {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=django_settings.BASE_DIR,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        child = psutil.Process(int(worker.stdout.readline()))
        if is_busy:
            child.suspend()  # It can't notice by itself.
        worker.kill()
    child.wait(10)


def test_a_fork_has_a_process_of_its_own(decoder, content):
    limited.render(content)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            is_fresh = limited._decoder.process is None
            status = 0 if is_fresh and limited.render(content).shape == (96, 80) else 1
            limited._decoder.stop()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert limited.render(content).shape == (96, 80)
