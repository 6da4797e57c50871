"""Hostile files by chance: ``mutant(bases, seed)`` is the same bytes for the same seed for ever.

Each takes a sound file, knows where its elements lie, and does to it one to three of the things
that a writer with bad intentions (or a broken disk) would do.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

from pydicom.uid import AllTransferSyntaxes

from radiology.dicom.structure import LONG_VRS, SHORT_VRS

from .anatomy import UNDEFINED, Anatomy, Part
from .streams import STREAM_DAMAGE, fragments_again

Chance = random.Random

LENGTHS = (0, 1, 2, 3, 7, 8, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LONG_LENGTHS = (*LENGTHS, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFE, UNDEFINED)
SHORTS = (0, 1, 2, 3, 7, 8, 9, 10, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 79, 80, 81, 255)
SHORTS = (*SHORTS, 256, 8191, 8192, 8193, 32767, 32768, 65534, 65535)
VRS = (*sorted(vr.decode() for vr in LONG_VRS | SHORT_VRS), "XX", "\0\0", "ox", "??")
# Samples, photometric interpretation, planar configuration, frames, rows, columns, bits...
GEOMETRY = {
    0x00280002: "US", 0x00280004: "CS", 0x00280006: "US", 0x00280008: "IS", 0x00280010: "US",
    0x00280011: "US", 0x00280100: "US", 0x00280101: "US", 0x00280102: "US", 0x00280103: "US",
    0x00280120: "US", 0x00280121: "US", 0x00281050: "DS", 0x00281051: "DS", 0x00281052: "DS",
    0x00281053: "DS", 0x00281101: "US", 0x00281102: "US", 0x00281103: "US", 0x00281201: "OW",
    0x00281202: "OW", 0x00281203: "OW", 0x00283000: "SQ", 0x00283010: "SQ",
}  # fmt: skip
TEXTS = {
    0x00080005: "CS", 0x00080016: "UI", 0x00080018: "UI", 0x00080020: "DA", 0x00080022: "DA",
    0x0008002A: "DT", 0x00080060: "CS", 0x00100010: "PN", 0x00100020: "LO", 0x00100030: "DA",
    0x00100040: "CS", 0x00101010: "AS", 0x00180015: "CS", 0x00185101: "CS", 0x0020000D: "UI",
    0x0020000E: "UI", 0x00200020: "CS", 0x00280301: "CS", 0x00181164: "DS", 0x00081090: "LO",
}  # fmt: skip
WORDS = (
    b"", b" ", b"\0", b"\\", b"\\" * 500, b"A" * 65, b"A" * 1025, b"9" * 400, b"1e400", b"-1e400",
    b"NaN", b"inf", b"-0", b"1e-320", b"0x10", b"1_000", b"99999999999999999999", b"-1", b"1.5",
    b"00000000", b"20240230", b"99999999", b"19000101", b"2024.01.15", b"\xff\xfe\xfd", b"\x1b$B",
    b"\x1b$B\x1b(J" * 50, b"ISO_IR 192", b"ISO 2022 IR 149\\ISO 2022 IR 58", b"GB18030", b"UTF-7",
    b"rot13", b"zip", b"PALETTE COLOR", b"RGB", b"YBR_FULL_422", b"MONOCHROME1", b"MONOCHROME3",
    b"monochrome2", b"HSV", b"<script>alert(1)</script>", b"=cmd|' /C calc'!A0", b"%s%n",
    "٣٤٥".encode(), "é\u202e".encode(), b"1.2.3.", b".1", b"1." * 40 + b"1", b"999Y", b"01C",
    b"SIGMOID", b"LATERAL", b"HAND", b"CHEST", b"YES",
)  # fmt: skip
PREAMBLES = (
    b"MZ\x90\0" + b"\0" * 56 + struct.pack("<L", 132),
    b"\x7fELF\x02\x01\x01" + b"\0" * 57,
    b"<!DOCTYPE html><script>alert(document.domain)</script><!--",
    b"PK\x03\x04" + b"\x14\0\0\0\x08\0",
    b"\x1f\x8b\x08\0\0\0\0\0",
    b"%PDF-1.7\n",
    b"#!/bin/sh\nid\n",
    b"GIF89a",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"II*\0\x08\0\0\0",
)


class Mutant(NamedTuple):
    """``content`` and how it came to be: the sound file, and what was done to it."""

    content: bytes
    base: str
    done: tuple[str, ...]


def mutant(bases: tuple[Anatomy, ...], seed: str) -> Mutant:
    """The mutant of ``seed``. Pure: nothing but the arguments decides."""
    chance = Chance(seed)
    base = chance.choice(bases)
    whole = chance.random() < 0.08
    edits = (
        [] if whole else chance.choices(range(len(EDITS)), WEIGHTS, k=chance.choice((1, 1, 2, 3)))
    )
    data, done = base.data, []
    # From the end to the beginning: what lies before a change is still where it was.
    targets = sorted(
        ((EDITS[number][1](base, chance), EDITS[number]) for number in edits),
        key=lambda pair: -(pair[0].start if pair[0] else 0),
    )
    for part, (name, _pick, edit, _weight) in targets:
        if part is None:
            continue
        try:
            data = edit(base, data, part, chance)
        except (struct.error, ValueError, IndexError):
            continue  # What it would change is gone already.
        done.append(name)
    content = base.packed(data)
    if whole or not done or chance.random() < 0.15:
        name, change = chance.choice(WHOLE)
        content = change(content, bases, chance)
        done.append(name)
    return Mutant(content, base.name, tuple(done))


# --- Which element -------------------------------------------------------------------------


def any_part(base: Anatomy, chance: Chance) -> Part:
    return chance.choice(base.parts)


def a_sequence(base: Anatomy, chance: Chance) -> Part | None:
    found = [part for part in base.parts if part.vr == "SQ" or part.depth]
    return chance.choice(found or [base.pixels])


def pixel_part(base: Anatomy, _chance: Chance) -> Part:
    return base.pixels


def syntax_part(base: Anatomy, _chance: Chance) -> Part | None:
    return base.part(0x00020010)


def _of(tags: dict[int, str]) -> Callable[[Anatomy, Chance], Part]:
    def pick(base: Anatomy, chance: Chance) -> Part:
        tag = chance.choice(list(tags))
        found = base.part(tag)
        if found is None:
            # Where it would stand; ``value`` == ``start`` says that it isn't there.
            after = next(part for part in base.parts if part.tag > tag and not part.depth)
            vr = "" if base.implicit else tags[tag]
            found = Part(tag, vr, after.start, after.start, after.start, False, 0)
        return found

    return pick


# --- What is done to it --------------------------------------------------------------------


def element(base: Anatomy, tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """An element as ``base`` writes them; ``length`` may lie."""
    length = len(value) if length is None else length
    order = "<" if tag >> 16 == 2 else base.order
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if base.implicit and tag >> 16 != 2:
        return head + struct.pack("<L", length & UNDEFINED) + value
    vr = vr or "UN"
    if vr.encode() in LONG_VRS:
        return head + vr.encode() + b"\0\0" + struct.pack(f"{order}L", length & UNDEFINED) + value
    return head + vr.encode() + struct.pack(f"{order}H", length & 0xFFFF) + value


def _replaced(data: bytes, part: Part, new: bytes) -> bytes:
    return data[: part.start] + new + data[part.end :]


def lying_length(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    at, size = part.length_at
    true = part.end - part.value
    near = (true - 2, true - 1, true + 1, true + 2, 2 * true, len(data) - part.value)
    length = chance.choice((*(LENGTHS if size == 2 else LONG_LENGTHS), *near))
    order = "<" if part.tag >> 16 == 2 else base.order
    coded = struct.pack(f"{order}{'H' if size == 2 else 'L'}", length & (256**size - 1))
    return data[:at] + coded + data[at + size :]


def wrong_vr(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    if not part.vr:
        return lying_length(base, data, part, chance)
    vr = chance.choice(VRS)
    if chance.random() < 0.5:  # The header too takes the form of the other VR.
        return _replaced(data, part, element(base, part.tag, vr, data[part.value : part.end]))
    return data[: part.start + 4] + vr.encode() + data[part.start + 6 :]


def wrong_tag(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    order = "<" if part.tag >> 16 == 2 else base.order
    tags = [*GEOMETRY, *TEXTS, 0x7FE00010, 0x7FE00008, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD]
    tags += [0, 0x00020010, 0x00080001, 0xFFFCFFFC, 0xFFFFFFFF, part.tag ^ 1, part.tag + 0x10000]
    tag = chance.choice(tags) & UNDEFINED
    new = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    return data[: part.start] + new + data[part.start + 4 :]


def twice(_base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    piece = data[part.start : part.end][:4096]
    times = chance.choice((1, 1, 2, 50, 25_000 if len(piece) < 32 else 300))
    return data[: part.start] + piece * times + data[part.start :]


def gone(_base: Anatomy, data: bytes, part: Part, _chance: Chance) -> bytes:
    return _replaced(data, part, b"")


def geometry(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    vr = GEOMETRY[part.tag]
    order = base.order
    if vr == "SQ":
        return _replaced(data, part, element(base, part.tag, "SQ", lying_table(base, chance)))
    if vr in ("US", "OW"):
        count = chance.choice((1, 1, 1, 1, 0, 2, 3, 300))
        value = b"".join(struct.pack(f"{order}H", chance.choice(SHORTS)) for _ in range(count))
        vr = chance.choice((vr, vr, vr, "SS", "UL")) if vr == "US" else vr
        return _replaced(data, part, element(base, part.tag, vr, value))
    return text(base, data, part, chance)


def lying_table(base: Anatomy, chance: Chance) -> bytes:
    """The item of a look-up table whose descriptor and data disagree."""
    numbers = [chance.choice(SHORTS) for _ in range(chance.choice((3, 3, 3, 2, 4, 0)))]
    descriptor = b"".join(struct.pack(f"{base.order}H", number) for number in numbers)
    size = chance.choice((0, 1, 2, 64, 65_536, 131_072, 131_074, 600_000))
    item = element(base, 0x00283002, chance.choice(("US", "SS", "OW", "LO")), descriptor)
    item += element(base, 0x00283006, chance.choice(("OW", "US", "UN", "OB")), bytes(size))
    head = struct.pack(f"{base.order}HHL", 0xFFFE, 0xE000, len(item))
    return head + item


def text(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    vr = TEXTS.get(part.tag) or GEOMETRY.get(part.tag) or "LO"
    value = chance.choice(WORDS)
    if chance.random() < 0.2:
        value = chance.randbytes(chance.choice((1, 2, 8, 64, 400)))
    if chance.random() < 0.3:
        value = b"\\".join((value, chance.choice(WORDS)))
    value += b" " * (len(value) % 2 and chance.random() < 0.8)
    return _replaced(data, part, element(base, part.tag, vr, value[:60_000]))


def nested(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    """Sequences in sequences, deep or wide, closed or not, where ``part`` begins."""
    order = base.order if part.tag >> 16 != 2 else "<"
    head = struct.pack(f"{order}HH", 0x0009, 0x1010) + (b"" if base.implicit else b"SQ\0\0")
    endless = struct.pack(f"{order}L", UNDEFINED)
    item, item_end, end = (
        struct.pack(f"{order}HH", 0xFFFE, number) for number in (0xE000, 0xE00D, 0xE0DD)
    )
    zero = b"\0\0\0\0"
    depth = chance.choice((1, 5, 15, 16, 17, 40, 900, 12_000))
    match chance.randrange(6):
        case 0:  # Closed properly.
            new = (head + endless + item + endless) * depth + (item_end + zero + end + zero) * depth
        case 1:  # Never closed.
            new = (head + endless + item + endless) * depth
        case 2:  # Closed more often than opened.
            new = head + endless + item + endless + (item_end + zero + end + zero) * depth
        case 3:  # Wide: empty items.
            new = head + endless + (item + zero) * depth + end + zero
        case 4:  # A length that reaches beyond its sequence.
            new = head + struct.pack(f"{order}L", 16) + item + struct.pack(f"{order}L", depth * 64)
            new += bytes(16)
        case _:  # Delimiters with a length.
            new = head + endless + item + endless + item_end + struct.pack(f"{order}L", depth)
    return data[: part.start] + new + data[part.start :]


def other_syntax(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    uid = chance.choice((*map(str, AllTransferSyntaxes), "", "1.2", "1.2.840.10008.1.2.1.99"))
    value = uid.encode()
    value += b"\0" * (len(value) % 2)
    return _replaced(data, part, element(base, part.tag, "UI", value))


def fragments(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    if not part.undefined:
        return lying_length(base, data, part, chance)
    return data[: part.value] + fragments_again(data[part.value :], chance)


def stream(base: Anatomy, data: bytes, part: Part, chance: Chance) -> bytes:
    """Damage in what a decoder reads, past whatever was checked."""
    if part.undefined:
        first = part.value + 8 + struct.unpack_from("<L", data, part.value + 4)[0] + 8
    else:
        first = part.value
    damage = chance.choice(STREAM_DAMAGE)
    return data[:first] + damage(data[first:], chance)


# --- What is done to a whole file ----------------------------------------------------------


def cut(content: bytes, _bases, chance: Chance) -> bytes:
    end = chance.randrange(len(content))
    # Mostly in the header, where there is something to misread.
    return content[: min(end, chance.randrange(3000)) if chance.random() < 0.6 else end]


def spliced(content: bytes, bases, chance: Chance) -> bytes:
    other = chance.choice(bases)
    tail = other.packed(other.data)
    return content[: chance.randrange(len(content))] + tail[chance.randrange(len(tail)) :]


def flipped(content: bytes, _bases, chance: Chance) -> bytes:
    data = bytearray(content)
    last = len(data) if chance.random() < 0.5 else min(2500, len(data))
    for _ in range(chance.choice((1, 2, 8, 64, 500))):
        data[chance.randrange(last)] ^= 1 << chance.randrange(8)
    return bytes(data)


def moved(content: bytes, _bases, chance: Chance) -> bytes:
    at, size = chance.randrange(len(content)), chance.choice((1, 2, 3, 64, 4096))
    if chance.random() < 0.5:
        return content[:at] + content[at + size :]
    return content[:at] + chance.randbytes(size) + content[at:]


def zeroed(content: bytes, _bases, chance: Chance) -> bytes:
    at = chance.randrange(len(content))
    end = min(len(content), at + chance.choice((4, 64, 4096, len(content))))
    return content[:at] + chance.choice((b"\0", b"\xff", b" ", b"\n")) * (end - at) + content[end:]


def preamble(content: bytes, _bases, chance: Chance) -> bytes:
    start = chance.choice(PREAMBLES)
    return start[:128].ljust(128, b"\0") + content[128:]


def headless(content: bytes, _bases, chance: Chance) -> bytes:
    return content[chance.choice((128, 132, 131, 133, 1)) :]


def packed(content: bytes, _bases, chance: Chance) -> bytes:
    if chance.random() < 0.5:
        return gzip.compress(content, 1, mtime=0)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("image.dcm"), content)
    return out.getvalue()


def bomb(content: bytes, _bases, chance: Chance) -> bytes:
    """The file's beginning as a deflated data set that unpacks to far more than it is."""
    syntax = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    body = packer.compress(element_head(content) + bytes(chance.choice((1, 10, 70)) << 20))
    body += packer.flush(zlib.Z_FINISH if chance.random() < 0.8 else zlib.Z_SYNC_FLUSH)
    return bytes(128) + b"DICM" + syntax + body


def element_head(content: bytes) -> bytes:
    return content[400:1400]


WHOLE = [
    (change.__name__, change)
    for change in (cut, cut, spliced, flipped, flipped, moved, zeroed, preamble, headless, packed)
] + [("bomb", bomb)]
# Name, which element, what is done to it, how often.
EDITS = [
    ("lying_length", any_part, lying_length, 12),
    ("wrong_vr", any_part, wrong_vr, 8),
    ("wrong_tag", any_part, wrong_tag, 6),
    ("twice", any_part, twice, 3),
    ("gone", any_part, gone, 4),
    ("geometry", _of(GEOMETRY), geometry, 16),
    ("text", _of(TEXTS), text, 12),
    ("nested", any_part, nested, 5),
    ("sequence_length", a_sequence, lying_length, 4),
    ("other_syntax", syntax_part, other_syntax, 4),
    ("fragments", pixel_part, fragments, 10),
    ("stream", pixel_part, stream, 24),
]
WEIGHTS = [weight for *_rest, weight in EDITS]
