"""Whatever was typed, made fit for print: every character is shown, or named by its number.

A PDF/UA file must not hold a character that its typeface lacks, and text that a person typed
must not change the order in which the text around it is read.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from functools import cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
# A word without a space is broken after so many characters, or it would leave the page.
LONGEST_WORD = 40
BREAK = "\u200b"
# Joiners and marks of direction that change nothing beyond their neighbours.
HARMLESS_FORMATS = "\u00ad\u200b\u200c\u200d\u200e\u200f"
_LONG_WORD = re.compile(rf"[^\s{BREAK}]{{{LONGEST_WORD}}}(?=[^\s{BREAK}])")


@cache
def shown() -> frozenset[int]:
    """The code points that both the regular and the bold typeface have."""
    sets = [_code_points(path.read_bytes()) for path in sorted(FONTS.glob("*.ttf"))]
    return frozenset.intersection(*map(frozenset, sets))


def _code_points(font: bytes) -> set[int]:
    """What the character map of a TrueType file covers (OpenType, "cmap", format 12)."""
    tables = struct.unpack_from(">H", font, 4)[0]
    entries = (struct.unpack_from(">4sIII", font, 12 + 16 * place) for place in range(tables))
    start = next(offset for tag, _, offset, _ in entries if tag == b"cmap")
    count = struct.unpack_from(">H", font, start + 2)[0]
    for place in range(count):
        offset = start + struct.unpack_from(">HHI", font, start + 4 + 8 * place)[2]
        if struct.unpack_from(">H", font, offset)[0] != 12:
            continue
        groups = struct.unpack_from(">I", font, offset + 12)[0]
        found: set[int] = set()
        for group in range(groups):
            first, last, _glyph = struct.unpack_from(">III", font, offset + 16 + 12 * group)
            found.update(range(first, last + 1))
        return found
    raise ValueError("no character map of format 12")


def printable(text: str) -> str:
    """``text`` with what cannot be shown as ``[U+4E2D]``, and with places to break long words.

    Controls and overrides of direction are left out, other spaces become spaces; line
    breaks stay.
    """
    text = re.sub(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", unicodedata.normalize("NFC", text))
    return _LONG_WORD.sub(rf"\g<0>{BREAK}", "".join(map(_printable, text)))


def _printable(character: str) -> str:
    kind = unicodedata.category(character)
    if character == "\n" or character in HARMLESS_FORMATS:
        return character
    if character == "\t":
        return " "
    if kind in ("Cc", "Cf", "Cs"):
        return ""
    if kind != "Co" and ord(character) in shown():
        return character
    return " " if kind == "Zs" else f"[U+{ord(character):04X}]"


def is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is of a script written from right to left."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"
