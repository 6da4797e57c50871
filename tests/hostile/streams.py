"""What can be wrong below the elements: fragments, and the compressed streams in them."""

from __future__ import annotations

import random
import struct

Chance = random.Random

ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
SIDES = (0, 1, 7, 8, 63, 64, 80, 255, 8192, 16384, 32767, 65535)
NUMBERS = (0, 1, 2, 16, 80, 4096, 8192, 65_536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def item(content: bytes, length: int | None = None) -> bytes:
    length = len(content) if length is None else length
    return ITEM + struct.pack("<L", length & 0xFFFFFFFF) + content


def fragments_of(value: bytes) -> tuple[bytes, list[bytes]]:
    """The basic offset table and the fragments of an encapsulated value, and nothing after it."""
    found, offset = [], 0
    while value[offset : offset + 4] == ITEM:
        length = struct.unpack_from("<L", value, offset + 4)[0]
        found.append(value[offset + 8 : offset + 8 + length])
        offset += 8 + length
    return (found[0], found[1:]) if found else (b"", [])


def fragments_again(value: bytes, chance: Chance) -> bytes:
    """An encapsulated value (PS3.5, A.4) whose table, fragments or end are wrong."""
    table, parts = fragments_of(value)
    whole = b"".join(parts)
    end = SEQUENCE_END + b"\0\0\0\0"
    match chance.randrange(13):
        case 0:  # A table of lies.
            count = chance.choice((1, 2, 3, 500))
            table = b"".join(struct.pack("<L", chance.choice(NUMBERS)) for _ in range(count))
        case 1:  # None at all.
            return b"".join(map(item, parts)) + end
        case 2:  # A table whose length is none of four.
            table = chance.randbytes(chance.choice((1, 2, 3, 5, 7)))
        case 3:  # Many pieces.
            size = max(1, len(whole) // chance.choice((2, 3, 100, 4095, 4096, 4097, 9000)))
            parts = [whole[at : at + size] for at in range(0, len(whole), size)]
        case 4:  # Empty pieces.
            parts = [b""] * chance.choice((1, 5000)) + parts
        case 5:
            return item(table) + b"".join(map(item, parts))  # No end.
        case 6:
            end = SEQUENCE_END + struct.pack("<L", chance.choice(NUMBERS))
        case 7:
            lie = len(whole) + chance.choice((-2, -1, 1, 2, 1000, 0x7FFFFFFF))
            return item(table) + item(whole, lie) + end
        case 8:
            return item(table) + item(whole, 0xFFFFFFFF) + end
        case 9:  # Two pictures.
            parts = parts * 2
        case 10:  # The table alone.
            parts = []
        case 11:  # Another tag in between.
            end = struct.pack("<HHL", 0x0010, 0x0010, 4) + b"ABCD" + end
        case _:  # Something behind it.
            end += chance.randbytes(chance.choice((1, 8, 2000)))
    return item(table) + b"".join(map(item, parts)) + end


def bits(data: bytes, chance: Chance) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 4, 32, 300))):
        changed[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def bytes_(data: bytes, chance: Chance) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 4, 32))):
        changed[_place(data, chance)] = chance.choice(INTERESTING)
    return bytes(changed)


def left_out(data: bytes, chance: Chance) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 3, 100, 1000)) :]


def put_in(data: bytes, chance: Chance) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.randbytes(chance.choice((1, 2, 100))) + data[at:]


def marker(data: bytes, chance: Chance) -> bytes:
    """Another JPEG or JPEG 2000 marker, or another length behind one."""
    places = [at for at in range(min(len(data) - 4, 4000)) if data[at] == 0xFF]
    if not places:
        return bits(data, chance)
    at = chance.choice(places)
    if chance.random() < 0.5:
        return data[: at + 1] + bytes([chance.randrange(256)]) + data[at + 2 :]
    return data[: at + 2] + struct.pack(">H", chance.choice(SIDES)) + data[at + 4 :]


def number(data: bytes, chance: Chance) -> bytes:
    """A number in the stream's header: sizes, tiles, layers, sampling, offsets of segments."""
    at = chance.randrange(min(len(data), 120))
    order = chance.choice("<>")
    if chance.random() < 0.5:
        new = struct.pack(f"{order}L", chance.choice(NUMBERS))
    else:
        new = struct.pack(f"{order}H", chance.choice(SIDES))
    return data[:at] + new + data[at + len(new) :]


def tiny_tiles(data: bytes, chance: Chance) -> bytes:
    """JPEG 2000 (ISO/IEC 15444-1, A.5.1): tiles, offsets and sampling that make work of nothing."""
    if data[:4] != b"\xff\x4f\xff\x51":
        return number(data, chance)
    sizes = [chance.choice((0, 1, 2, 80, 0xFFFFFFFF)) for _ in range(4)]
    changed = data[:24] + struct.pack(">4L", *sizes) + data[40:]
    if chance.random() < 0.3:
        changed = changed[:43] + bytes(chance.choice(INTERESTING) for _ in range(2)) + changed[45:]
    return changed


def coding_style(data: bytes, chance: Chance) -> bytes:
    """JPEG 2000's COD (A.6.1): decomposition levels, layers, code-blocks of any size."""
    at = data.find(b"\xff\x52")
    if at < 0:
        return marker(data, chance)
    place = at + 4 + chance.randrange(10)
    return data[:place] + bytes([chance.choice((*INTERESTING, 33, 10))]) + data[place + 1 :]


def swollen(data: bytes, chance: Chance) -> bytes:
    """Megabytes of next to nothing where each byte may cost a step."""
    if chance.random() < 0.9:
        return bits(data, chance)
    piece = chance.choice((b"\xff", b"\xff\xfe\0\2", b"\xff\xd0", b"\xff\x64\0\2", b"\0"))
    at = chance.choice((2, 2, 51, chance.randrange(200)))
    return data[:at] + piece * (12_000_000 // len(piece)) + data[at:]


def _place(data: bytes, chance: Chance) -> int:
    """Anywhere, more often where headers are."""
    limit = len(data) if chance.random() < 0.6 else min(len(data), 700)
    return chance.randrange(max(limit, 1))


STREAM_DAMAGE = (bits, bits, bytes_, left_out, put_in, marker, marker, number, tiny_tiles)
STREAM_DAMAGE = (*STREAM_DAMAGE, coding_style, swollen)
