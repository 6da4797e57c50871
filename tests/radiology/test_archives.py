"""What is in an archive comes out checked and bounded, whatever the archive says."""

import io
import stat
import tracemalloc
import zipfile

import pytest

from pneumoniapp.errors import CodedError
from radiology.archives import is_archive, open_archive

from .archives import (
    archive_bytes,
    declares,
    encrypted,
    overlapping,
    with_method,
    wrong_checksum,
)

MIB = 1024 * 1024


def unpack(content: bytes) -> list[tuple[str, bytes | str]]:
    """Name and content of each file, or the code of why it does not come out."""
    found = []
    with open_archive(io.BytesIO(content)) as archive:
        for number in range(len(archive)):
            try:
                with archive.unpacked(number) as file:
                    found.append((archive.name(number), file.read()))
            except CodedError as error:
                found.append((archive.name(number), error.code))
    return found


def refusal(content: bytes) -> str:
    with pytest.raises(CodedError) as caught, open_archive(io.BytesIO(content)):
        pass
    return caught.value.code


def named(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def test_files_of_nested_folders_come_out_in_order():
    content = archive_bytes(
        ("a.dcm", b"one"), ("deep/", b""), ("deep/er/b.dcm", b"two"), ("deep/c", b"")
    )
    assert is_archive(io.BytesIO(content))
    assert unpack(content) == [("a.dcm", b"one"), ("deep/er/b.dcm", b"two"), ("deep/c", b"")]


def test_bytes_before_the_archive_and_a_comment_after_it_do_no_harm():
    out = io.BytesIO(archive_bytes(("a", b"one")))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"x" * 60_000
    assert unpack(b"#!/bin/sh\n" + out.getvalue()) == [("a", b"one")]


def test_what_is_no_archive():
    for content in (b"", b"PK", b"PK\x07", b"\0" * 200):
        assert not is_archive(io.BytesIO(content))


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../up", "a/../../up", "..\\up", "\\\\host\\share", "C:\\x", "c:/x", "a/.."],
)
def test_a_path_that_leads_out_is_refused_alone(name):
    content = archive_bytes((name, b"one"), ("good", b"two"))
    assert unpack(content) == [(name, "archive_entry_path"), ("good", b"two")]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind):
    content = archive_bytes((named("a", kind | 0o777), b"/etc/passwd"))
    assert unpack(content) == [("a", "archive_entry_path")]
    assert unpack(archive_bytes((named("a", stat.S_IFREG | 0o644), b"x"))) == [("a", b"x")]


def test_a_name_with_a_nul_is_refused_and_one_that_cannot_be_shown_is_shown_safely():
    content = archive_bytes(("badXname", b"one")).replace(b"badXname", b"bad\0name")
    assert unpack(content) == [("bad", "archive_entry_path")]
    assert unpack(archive_bytes(("a\x1b[2J\u202eb", b"x"))) == [("a�[2J�b", b"x")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_of_one_name_the_first_is_taken():
    content = archive_bytes(("a/B", b"1"), ("a//b", b"2"), (".\\A\\b", b"3"), ("c", b"4"))
    assert [said for _name, said in unpack(content)] == [
        b"1",
        "archive_entry_twice",
        "archive_entry_twice",
        b"4",
    ]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (encrypted, "archive_entry_encrypted"),
        (wrong_checksum, "archive_entry_damaged"),
        (lambda content: declares(content, 20), "archive_entry_damaged"),
        (lambda content: declares(content, 5000), "archive_entry_damaged"),
        (lambda content: with_method(content, zipfile.ZIP_LZMA), "archive_entry_method"),
        (lambda content: with_method(content, zipfile.ZIP_BZIP2), "archive_entry_method"),
        (lambda content: with_method(content, 99), "archive_entry_method"),
    ],
)
def test_a_spoilt_file_is_refused_and_the_others_come_out(spoil, code):
    content = spoil(archive_bytes(("a", b"spoilt " * 50), ("b", b"good")))
    assert unpack(content) == [("a", code), ("b", b"good")]


def test_packed_bytes_that_are_noise_are_refused():
    content = bytearray(archive_bytes(("a", bytes(range(256)) * 20)))
    content[40:60] = b"\xff" * 20
    assert unpack(bytes(content)) == [("a", "archive_entry_damaged")]


def test_an_archive_in_the_archive_is_not_opened():
    inner = archive_bytes(("a.dcm", b"one"))
    assert unpack(archive_bytes(("inner.zip", inner), ("b", b"two"))) == [
        ("inner.zip", "archive_entry_archive"),
        ("b", b"two"),
    ]


def test_a_bomb_is_refused_before_and_while_it_goes_off(settings):
    content = archive_bytes(("bomb", bytes(20 * MIB)), ("b", b"two"))
    assert unpack(content) == [("bomb", "archive_entry_ratio"), ("b", b"two")]
    # It declares little: no more than that comes out.
    assert unpack(declares(content, 1000))[0] == ("bomb", "archive_entry_damaged")
    settings.RADIOGRAPH_MAX_BYTES = 1 * MIB
    stored = archive_bytes(("large", bytes(MIB + 1)), method=zipfile.ZIP_STORED)
    assert unpack(stored) == [("large", "too_large")]


def test_files_that_share_their_bytes_are_refused():
    assert refusal(overlapping(50)) == "archive_broken"
    # Its two headers give it different names.
    assert unpack(overlapping(1)) == [("000000", "archive_entry_damaged")]


def test_limits_of_the_whole(settings):
    content = archive_bytes(("a", bytes(1000)), ("b", bytes(1000)))
    settings.ARCHIVE_MAX_UNPACKED_BYTES = 1999
    assert refusal(content) == "archive_unpacks_too_large"
    settings.ARCHIVE_MAX_FILES = 1
    assert refusal(content) == "archive_too_many_files"
    settings.ARCHIVE_MAX_BYTES = 100
    assert refusal(content) == "archive_too_large"


@pytest.mark.parametrize("kept", [4, 22, 100, -1, -22, -60])
def test_a_broken_archive_is_refused(kept):
    content = archive_bytes(("a", bytes(range(256)) * 4), ("b", b"two"))
    assert refusal(content[:kept]) == "archive_broken"


def test_an_archive_of_nothing():
    assert refusal(archive_bytes()) == "archive_empty"
    assert refusal(archive_bytes(("folder/", b""))) == "archive_empty"


def test_a_directory_without_end_is_not_read_into_memory(settings):
    settings.ARCHIVE_MAX_FILES = 100
    content = archive_bytes(*((f"{number:06}", b"") for number in range(20_000)))
    tracemalloc.start()
    assert refusal(content) == "archive_too_many_files"
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 * MIB


def test_memory_does_not_grow_with_what_is_unpacked():
    import numpy as np

    noise = np.random.default_rng(1).integers(0, 256, 16 * MIB, dtype=np.uint8).tobytes()
    file = io.BytesIO(archive_bytes(*((str(number), noise) for number in range(2))))
    tracemalloc.start()
    with open_archive(file) as archive:
        for number in range(len(archive)):
            with archive.unpacked(number) as out:
                assert out.read(4) == noise[:4]
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * MIB
