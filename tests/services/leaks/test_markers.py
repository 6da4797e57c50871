"""The search finds what is planted, however it is spelt or packed; else it would prove nothing."""

from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import zipfile
import zlib
from urllib.parse import quote, quote_plus

import pytest
from django.core import signing

from . import planted
from .markers import Marker, date_texts, encodings, found_in

TEXT = "Zqété <4711>/«x»"
MARKER = Marker("it", TEXT)
AROUND = "before {} after\n"


def zipped(data: bytes, name: str = "a.txt") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


WAYS = {
    "utf-8": lambda text: text.encode(),
    "latin-1": lambda text: text.encode("latin-1"),
    "utf-16": lambda text: text.encode("utf-16"),
    "capitals": lambda text: text.upper().encode(),
    "url": lambda text: quote(text).encode(),
    "url form": lambda text: quote_plus(text).encode(),
    "json": lambda text: json.dumps({"a": [text]}).encode(),
    "json in json": lambda text: json.dumps({"a": json.dumps(text, ensure_ascii=False)}).encode(),
    "repr": lambda text: repr(text.encode()).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "pickle": lambda text: pickle.dumps({"a": text}),
    "gzip": lambda text: gzip.compress(text.encode()),
    "zlib": lambda text: zlib.compress(text.encode()),
    "pdf": lambda text: b"%PDF\n<<>>\nstream\r\n" + zlib.compress(text.encode()) + b"\nendstream",
    "zip": lambda text: zipped(text.encode()),
    "name in a zip": lambda text: zipped(b"", text),
    "gzip in a zip": lambda text: zipped(gzip.compress(text.encode())),
    "session": lambda text: signing.dumps({"a": text * 9}, key="x", compress=True).encode(),
    "message": lambda text: json.dumps(
        {"body": base64.b64encode(json.dumps([[text], {}]).encode()).decode()}
    ).encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_found(way):
    assert found_in(WAYS[way](AROUND.format(TEXT)), [MARKER]) == {"it"}
    assert found_in(WAYS[way](AROUND.format("Zqautre <4711>/«x»")), [MARKER]) == set()


@pytest.mark.parametrize("skipped", range(5))
@pytest.mark.parametrize("spell", [base64.b64encode, base64.urlsafe_b64encode])
def test_it_is_found_in_base64_wherever_it_begins(skipped, spell):
    for length in range(5):
        data = b"\xff" * skipped + TEXT.encode() + b"\xfe" * length
        assert found_in(b"x:" + spell(data), [MARKER]) == {"it"}


def test_every_spelling_finds_itself():
    for how, spelt in encodings(TEXT).items():
        assert found_in(b'"' + spelt + b'"', [MARKER]) == {"it"}, how


@pytest.mark.parametrize(
    "text",
    [
        "19371029",
        "1937-10-29",
        "29/10/1937",
        "29 octobre 1937",
        "29 oct. 1937",
        "29 Oct 1937",
        "October 29, 1937",
        "Oct. 29, 1937",
        "10/29/1937",
        "datetime.date(1937, 10, 29)",
    ],
)
def test_a_birth_date_is_found_in_every_notation(text):
    born = Marker("birth date", *date_texts(planted.BORN))
    assert found_in(f"born {text}, it says".encode(), [born]) == {"birth date"}
    assert found_in(b"1.2.840.119371029.5 a19371029f 1938-10-29", [born]) == set()


def test_no_marker_is_a_part_of_another():
    markers = planted.markers()
    for name, value in (
        ("identifier", planted.IDENTIFIER),
        ("comment", planted.COMMENT),
        ("file name", planted.FILE_NAME),
        ("password", planted.PASSWORD),
        ("doctor's e-mail", planted.EMAIL),
        ("doctor's number", planted.NUMBER),
        ("institution", planted.INSTITUTION),
    ):
        assert found_in(value.encode(), list(markers.values())) == {name}


def test_the_file_that_is_sent_has_what_is_planted():
    wanted = {"name in the file", "identifier in the file", "birth date", "institution"}
    wanted |= {"referring physician", "free text in the file"}
    for content in (planted.radiograph(), planted.not_decodable()):
        assert found_in(content, list(planted.markers().values())) == wanted
