"""What is planted, and how it would look wherever it came out again."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import gzip
import html
import io
import json
import quopri
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus

MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}


def date_texts(day: dt.date) -> list[str]:
    """``day`` as DICOM, ISO, a French, an English and a German reader, and Python write it."""
    d, dd, m, mm, y = day.day, f"{day.day:02}", day.month, f"{day.month:02}", day.year
    texts = [f"{y}{mm}{dd}", f"{dd}{mm}{y}", f"{y}-{mm}-{dd}", f"{y}/{mm}/{dd}", f"{y}, {m}, {d}"]
    texts += [f"{dd}{dot}{mm}{dot}{y}" for dot in "/.-"] + [f"{mm}/{dd}/{y}", f"{m}/{d}/{y}"]
    for names in MONTHS.values():
        long = names.split()[m - 1]
        for name in {long, long[:3], f"{long[:3]}.", long[:4], f"{long[:4]}."}:
            texts += [f"{d} {name} {y}", f"{d} {name}, {y}", f"{name} {d}, {y}"]
    return texts


@cache
def encodings(text: str) -> dict[str, bytes]:
    """``text`` in each spelling that a log, an address, a message or a file may have it in,
    all in small letters (but for base64)."""
    utf8 = text.encode()
    found = {
        "utf-8": utf8,
        "decomposed": unicodedata.normalize("NFD", text).encode(),
        "utf-16": text.encode("utf-16-le"),
        "utf-16-be": text.encode("utf-16-be"),
        "latin-1": text.encode("latin-1", "ignore"),
        "url": quote(text).encode(),
        "url, all": quote(text, safe="").encode(),
        "url, form": quote_plus(text).encode(),
        "url, latin-1": quote(text.encode("latin-1", "ignore"), safe="").encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "html": html.escape(text).encode(),
        "html, numbers": text.encode("ascii", "xmlcharrefreplace"),
        "backslashes": text.encode("unicode_escape"),
        "bytes": repr(utf8)[2:-1].encode(),
        "quoted-printable": quopri.encodestring(utf8),
        "hex": utf8.hex().encode(),
    }
    found = {name: spelt.lower() for name, spelt in found.items()}
    # Where base64 begins within the text that it encodes is not known: three beginnings.
    for skipped in range(3):
        whole = base64.b64encode(b"\0" * skipped + utf8)
        first, last = (0, 2, 3)[skipped], len(whole) - (4 if (skipped + len(utf8)) % 3 else 0)
        found[f"base64+{skipped}"] = whole[first:last]
        found[f"base64url+{skipped}"] = whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))
    return found


class Marker:
    """One planted value: its ``name``, and the texts by which it would be known."""

    def __init__(self, name: str, *texts: str) -> None:
        self.name = name
        exact, folded = set(), set()
        # Bytes are compared in small letters; an É is none of those.
        written = {spelt for text in texts for spelt in (text, text.upper(), text.lower())}
        for text in written:
            for how, spelt in encodings(text).items():
                (exact if how.startswith("base64") else folded).add(spelt)
        self.exact, self.folded = sorted(exact), sorted(folded)
        # Digits within longer numbers and keys are somebody else's.
        self.is_number = texts[0][:1].isdigit()

    def __repr__(self) -> str:
        return self.name

    def is_in(self, data: bytes, small: bytes) -> bool:
        return any(spelt in data for spelt in self.exact) or any(
            spelt in small and (not self.is_number or self._alone(spelt, small))
            for spelt in self.folded
        )

    @staticmethod
    def _alone(spelt: bytes, small: bytes) -> bool:
        return bool(re.search(rb"(?<![0-9a-f.])%s(?![0-9a-f])" % re.escape(spelt), small))


def layers(data: bytes, depth: int = 4) -> Iterator[bytes]:
    """``data``, and what is packed in it: ZIP, gzip, zlib (also inside a PDF), base64."""
    yield data
    if not depth:
        return
    for inner in _unpacked(data):
        yield from layers(inner, depth - 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)
        return
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    for place in [0, *(found.end() for found in re.finditer(rb"stream\r?\n", data))]:
        if data[place : place + 1] == b"\x78":
            try:
                yield zlib.decompressobj().decompress(data[place:])
            except zlib.error:
                continue
    for run in re.finditer(rb"[A-Za-z0-9_\-+/]{24,}", data):
        text = run[0].translate(bytes.maketrans(b"-_", b"+/"))
        try:
            inner = base64.b64decode(text + b"=" * (-len(text) % 4))
        except binascii.Error:
            continue
        # What is packed or text; the rest (keys, hashes, images) is noise.
        if inner[:1] in (b"\x78", b"{", b"[") or inner[:2] == b"\x1f\x8b":
            yield inner


def found_in(data: bytes, markers: list[Marker]) -> set[str]:
    """The names of the ``markers`` that are in ``data``, in whatever spelling or packing."""
    found = set()
    for layer in layers(data):
        small = layer.lower()
        found |= {marker.name for marker in markers if marker.is_in(layer, small)}
    return found
