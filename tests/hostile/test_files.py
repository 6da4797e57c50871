"""Hostile files: each is taken or refused with a code, in bounded time and memory.

``python -m benchmarks.hostile`` does the same with a hundred thousand; docs/security.md has what
came out.
"""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from django.conf import settings
from pydicom.uid import JPEGLosslessSV1

from radiology.dicom import limited
from radiology.errors import MalformedError
from tests.radiology.factories import dicom_bytes

from .corpus import CORPUS, LARGEST
from .making import base
from .mutants import EDITS, WHOLE, mutant
from .sound import generated, real
from .trial import Failure, tried, watched

SAMPLE = 400


@pytest.mark.parametrize("name", CORPUS)
def test_each_file_of_the_corpus(name):
    made, web, decoder = CORPUS[name]
    verdict = tried(made(), is_full=False)
    assert (verdict.web, verdict.decoder) == (web or "accepted", "" if web else decoder or "read")


def test_the_largest_image_is_read_within_the_limits():
    made, _web, _decoder = LARGEST["largest JPEG"]
    assert tried(made()).decoder == "read"


def test_every_sound_file_is_read():
    """What the mutants are made of: else they would be refused for another reason."""
    for sound in generated():
        assert tried(sound.packed(sound.data)).decoder == "read", sound.name


@pytest.mark.real_data
def test_every_real_file_is_read(real_data):
    found = real(real_data)
    assert len(found) == 11
    for sound in found:
        verdict = tried(sound.packed(sound.data), is_full=False)
        expected = ("too_few_pixels", "") if "16x16" in sound.name else ("accepted", "read")
        assert (verdict.web, verdict.decoder) == expected, sound.name


def test_a_sample_of_mutants():
    web, decoder, done = Counter(), Counter(), Counter()
    for number in range(SAMPLE):
        made = mutant(generated(), f"suite:{number}")
        try:
            verdict = tried(made.content, is_full=number % 8 == 0)
        except Failure as failure:
            pytest.fail(f"suite:{number} ({made.base}; {made.done}): {failure}")
        web[verdict.web] += 1
        decoder[verdict.decoder] += 1
        done.update(made.done)
    # The damage reached many parts; neither was all refused at the door nor all taken.
    assert len(web) >= 12, web
    assert 0.1 * SAMPLE < web["accepted"] < 0.6 * SAMPLE, web
    assert decoder["read"] >= 0.05 * SAMPLE, decoder
    assert decoder["undecodable"] >= 0.02 * SAMPLE, decoder
    assert set(done) == {name for name, *_rest in EDITS} | {name for name, _change in WHOLE}


def digest() -> str:
    found = hashlib.sha256()
    for number in range(60):
        found.update(mutant(generated(), f"again:{number}").content)
    return found.hexdigest()


def test_the_same_seed_gives_the_same_files_in_another_process():
    program = (
        "import django; django.setup()\n"
        "from tests.hostile.test_files import digest; print(digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest()


def test_a_trial_finds_fault(monkeypatch):
    """A trial that never fails would prove nothing."""

    def broken(_content):
        raise ValueError

    def hanging():
        while True:
            pass

    sound = base().data
    with monkeypatch.context() as patch:
        patch.setattr("tests.hostile.trial.inspect", broken)
        with pytest.raises(ValueError):
            tried(sound)
    with monkeypatch.context() as patch:
        patch.setattr("tests.hostile.trial.examine", broken)
        with pytest.raises(Failure, match="ValueError"):
            tried(sound)
    with monkeypatch.context() as patch:
        patch.setattr("tests.hostile.trial.WEB_SECONDS", 0)
        with pytest.raises(Failure, match="took"):
            tried(sound)
    with monkeypatch.context() as patch:
        patch.setattr("tests.hostile.trial.HANG", 0.2)
        with pytest.raises(Failure, match="nothing came of it"), watched():
            hanging()
    with monkeypatch.context() as patch:
        patch.setattr(limited, "render", lambda _content: (_ for _ in ()).throw(MalformedError()))
        assert tried(sound, is_full=False).decoder == "malformed"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is known on Linux alone")
def test_the_web_process_holds_a_compressed_image_once():
    """Sixteen threads at a time may each have a file of 64 MiB in hand."""
    noise = np.random.default_rng(0).integers(0, 4096, (4000, 3000)).astype(np.uint16)
    content = dicom_bytes(pixels=noise, bits_stored=12, transfer_syntax=JPEGLosslessSV1)
    tried(content, is_full=False)  # What is loaded at the first time does not count.
    verdict = tried(content, is_full=False)
    assert verdict.web == "accepted"
    assert verdict.web_mib < 1.4 * len(content) / 2**20
