"""Made-up archives, sound and hostile."""

from __future__ import annotations

import io
import struct
import zipfile

CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"


def archive_bytes(*entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of ``(name or ZipInfo, content)``; a name may stand in it twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


def changed(content: bytes, *, local: int, central: int, value: bytes) -> bytes:
    """``content`` with bytes of the first entry's two headers, at these offsets, replaced."""
    made = bytearray(content)
    for start, offset in ((content.index(LOCAL), local), (content.index(CENTRAL), central)):
        made[start + offset : start + offset + len(value)] = value
    return bytes(made)


def encrypted(content: bytes) -> bytes:
    return changed(content, local=6, central=8, value=struct.pack("<H", 1))


def wrong_checksum(content: bytes) -> bytes:
    return changed(content, local=14, central=16, value=b"\x01\x02\x03\x04")


def declares(content: bytes, size: int) -> bytes:
    """The first entry says that it unpacks to ``size`` bytes."""
    return changed(content, local=22, central=24, value=struct.pack("<L", size))


def with_method(content: bytes, method: int) -> bytes:
    return changed(content, local=8, central=10, value=struct.pack("<H", method))


def overlapping(count: int) -> bytes:
    """``count`` entries that all describe the same packed bytes."""
    content = archive_bytes(("kernel", bytes(1000)))
    start, end = content.index(CENTRAL), content.index(b"PK\x05\x06")
    record = content[start:end]
    records = b"".join(record[:46] + b"%06d" % number + record[46 + 6 :] for number in range(count))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(records), start, 0)
    return content[:start] + records + tail
