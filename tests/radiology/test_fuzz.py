"""Thousands of damaged files: each is a radiograph or a coded refusal, and none takes long."""

import io
import random
import struct
import time
from collections import Counter

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from pneumoniapp.errors import CodedError
from radiology.dicom.deidentify import write_deidentified
from radiology.dicom.header import inspect, peek_header
from radiology.dicom.render import render

from .factories import dicom_bytes
from .test_deidentify import marked_dataset, to_bytes
from .test_render import table

HEADERS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
]
STREAMS = [
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    RLELossless,
]
LENGTHS = [0, 1, 2, 7, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
# Seconds. A slow machine is no hostile file: what would hang takes minutes.
LONG = 5.0


def mutant(content: bytes, seed: int, *, first: int = 0, last: int | None = None) -> bytes:
    """``content`` damaged between two offsets, in a way that ``seed`` alone decides."""
    chance, data = random.Random(seed), bytearray(content)
    last = len(data) if last is None else last

    def place() -> int:
        return chance.randrange(first, last)

    match chance.randrange(6):
        case 0:
            del data[place() :]
        case 1:
            for _ in range(chance.randint(1, 8)):
                data[place()] ^= 1 << chance.randrange(8)
        case 2:
            for _ in range(chance.randint(1, 4)):
                data[place()] = chance.randrange(256)
        case 3:
            at = place()
            data[at : at + 4] = struct.pack("<L", chance.choice(LENGTHS))[: len(data) - at]
        case 4:
            at = place()
            del data[at : at + chance.randint(1, 64)]
        case 5:
            at, source = place(), place()
            data[at:at] = data[source : source + chance.randint(1, 64)]
    return bytes(data)


def outcome(function, *arguments) -> str:
    """``"ok"`` or the code of the refusal."""
    started, refusal = time.process_time(), None
    try:
        function(*arguments)
    except CodedError as error:
        refusal = error
    assert time.process_time() - started < LONG
    if refusal is None:
        return "ok"
    assert 400 <= refusal.status < 500
    assert str(refusal)
    return refusal.code


def take_in(content: bytes) -> None:
    """What the web process does with a file."""
    write_deidentified(inspect(io.BytesIO(content)), io.BytesIO())


@pytest.mark.parametrize("syntax", HEADERS, ids=lambda uid: uid.name)
def test_damaged_files(syntax):
    contents = [
        dicom_bytes(
            transfer_syntax=syntax,
            rows=64,
            columns=64,
            SOPInstanceUID="1.2.3",
            StudyInstanceUID="1.2.4",
            SeriesInstanceUID="1.2.5",
            PatientBirthDate="19500102",
            PatientAge="074Y",
            PixelPaddingValue=3,
            WindowCenter=[2048, 100],
            WindowWidth=[4096, 10],
            ModalityLUTSequence=table(list(range(64))),
            VOILUTSequence=table(list(range(64)), bits=12),
        ),
        to_bytes(marked_dataset(syntax)),
    ]
    seen = Counter()
    for seed in range(400):
        content = contents[seed % 8 == 7]
        # The header is what the parser believes; the pixels come after it.
        header = len(content) if syntax == DeflatedExplicitVRLittleEndian else 1800
        damaged = mutant(content, seed, first=120, last=header)
        seen[outcome(take_in, damaged)] += 1
        if seed % 3 == 0:
            outcome(peek_header, io.BytesIO(damaged[: random.Random(seed).randrange(1, 4000)]))
    # The damage reached many parts, and not every file was refused at the door.
    assert len(seen) >= 4, seen
    if syntax != DeflatedExplicitVRLittleEndian:
        assert seen["ok"] >= 20, seen


@pytest.mark.parametrize("syntax", STREAMS, ids=lambda uid: uid.name)
def test_damaged_streams(syntax):
    """Decoders meet what the checks before them let through: a picture or a refusal."""
    content = dicom_bytes(transfer_syntax=syntax, rows=80, columns=64, SOPInstanceUID="1.2.3")
    first = inspect(io.BytesIO(content)).pixels.fragments[0][0]
    seen = Counter(
        outcome(render, io.BytesIO(mutant(content, seed, first=first))) for seed in range(250)
    )
    assert len(seen) >= 3, seen


def test_noise_is_no_radiograph():
    noise = random.Random(1)
    for length in (1, 3, 131, 132, 133, 200, 5000):
        for start in (b"", b"\0" * 128 + b"DICM", b"DICM", b"\x02\x00\x00\x00UL\x04\x00"):
            content = start + noise.randbytes(length)
            assert outcome(take_in, content) != "ok"
            assert outcome(peek_header, io.BytesIO(content)) != "ok"
