"""Typed values of the few elements that are wanted; everything else is never read.

The walk of :mod:`~radiology.dicom.structure` says where the elements lie; here their bytes,
each bounded in length, become values. A value that isn't what its attribute must be counts
as absent, and where nothing can be done without it, as :class:`MalformedError`.
"""

from __future__ import annotations

import datetime as dt
import math
import re

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from radiology.errors import ImpossibleDateError, InvalidUidError, MalformedError

from .structure import Element, Structure

# Values are checked here, by rules of our own; pydicom's warnings would only fill the log.
config.settings.reading_validation_mode = config.IGNORE

# Bytes. A look-up table has at most 65,536 entries of 16 bits (PS3.3, C.11.1.1).
MAX_TEXT = 1024
MAX_TABLES = 4 * 65_536 * 2
MAX_CODES = 32 * 1024
# A real sequence has an item or two. Each costs the parser a data set, however empty it is.
MAX_ITEMS = 256
ITEM_LITTLE, ITEM_BIG = b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"
# PS3.5, 9.1, but leading zeros are let through: old equipment writes them.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DATE = re.compile(r"[0-9]{8}|[0-9]{4}\.[0-9]{2}\.[0-9]{2}")
_AGE = re.compile(r"([0-9]{1,3})([DWMY]?)")
_UNITS_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}
# What anonymisers write where a date was (PS3.15 asks for a dummy value).
PLACEHOLDER_DATES = frozenset({dt.date(1900, 1, 1), dt.date(1901, 1, 1)})


def tag_of(keyword: str) -> int:
    return keyword_dict[keyword]


def wanted_elements(structure: Structure, keywords: frozenset[str]) -> Dataset:
    """The elements named by ``keywords``, as a pydicom data set that converts them on access.

    An element whose VR isn't the dictionary's, or longer than a value of it can be, is left
    out: it can't be what its tag says. Raises :class:`MalformedError` for a modality table of
    that kind: without it the greys would be others.
    """
    found = {}
    for keyword in keywords:
        element = structure.elements.get(tag_of(keyword))
        if element is None:
            continue
        allowed = dictionary_VR(element.tag).split(" or ")
        if element.vr and element.vr not in allowed:
            continue
        value = _value(structure, element, "SQ" in allowed, _most(keyword, allowed))
        if value is None:
            if keyword == "ModalityLUTSequence":
                raise MalformedError
            continue
        tag = BaseTag(element.tag)
        found[tag] = RawDataElement(
            tag,
            element.vr or None,
            element.length,
            value,
            element.value,
            structure.implicit,
            structure.little,
        )
    return Dataset(dict(sorted(found.items())))


def _most(keyword: str, allowed: list[str]) -> int:
    """Bytes that a value can have."""
    if "SQ" not in allowed:
        return MAX_TEXT
    return MAX_TABLES if keyword.endswith("LUTSequence") else MAX_CODES


def _value(structure: Structure, element: Element, is_sequence: bool, most: int) -> bytes | None:
    """The element's bytes, or ``None`` when they, or the items in them, are too many."""
    if element.length > most:
        return None
    value = structure.source.read(element.value, element.length)
    item = ITEM_LITTLE if structure.little else ITEM_BIG
    return None if is_sequence and value.count(item) > MAX_ITEMS else value


def value_of(dataset: Dataset, keyword: str):
    """The value, or ``None`` when it is absent, empty or not convertible."""
    try:
        value = dataset.get(keyword)
    except Exception:  # Whatever a hostile value does to the parser: it isn't a value.
        return None
    return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """The values of a code string, each without padding."""
    value = value_of(dataset, keyword)
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    try:
        return [str(item).strip(" \0") for item in value]
    except TypeError:
        return []


def text(dataset: Dataset, keyword: str) -> str:
    """The first value of a code string in upper case, or ``""``."""
    return next(iter(texts(dataset, keyword)), "").upper()


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The one value of an unsigned short or integer string; raises when it is broken."""
    if _is_empty(dataset, keyword):
        return None
    try:
        return int(value_of(dataset, keyword))
    except (TypeError, ValueError, OverflowError):
        raise MalformedError from None


def _is_empty(dataset: Dataset, keyword: str) -> bool:
    """Whether the element is absent or holds padding alone, as its bytes say."""
    tag = tag_of(keyword)
    if tag not in dataset:
        return True
    value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        value = value.strip(b" ")
    return value is None or (hasattr(value, "__len__") and len(value) == 0)


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a decimal string; empty when one of them is not a finite number."""
    value = value_of(dataset, keyword)
    if value is None:
        return []
    try:
        found = [float(item) for item in ([value] if not _is_many(value) else value)]
    except (TypeError, ValueError):
        return []
    return found if all(math.isfinite(item) for item in found) else []


def _is_many(value) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str)


def uid(dataset: Dataset, keyword: str) -> str:
    """The UID or ``""``; raises :class:`InvalidUidError` for something else (PS3.5, 9)."""
    if _is_empty(dataset, keyword):
        return ""
    value = "\\".join(texts(dataset, keyword))
    if len(value) > 64 or not _UID.fullmatch(value):
        raise InvalidUidError(attribute=keyword)
    return value


def date(dataset: Dataset, keyword: str) -> dt.date | None:
    """A date (DA) or the day of a date and time (DT); ``None`` when absent or a placeholder.

    A text that has the form of a date and names no day raises :class:`ImpossibleDateError`;
    a text of another form (a pseudonym, say) is no date at all and gives ``None``.
    """
    value = next(iter(texts(dataset, keyword)), "")
    if keyword.endswith("DateTime"):
        value = value[:8]
    if not _DATE.fullmatch(value):
        return None
    try:
        found = dt.date.fromisoformat(value.replace(".", ""))
    except ValueError:
        if set(value) <= {"0", "."}:
            return None
        raise ImpossibleDateError(attribute=keyword) from None
    return None if found in PLACEHOLDER_DATES else found


def age_years(dataset: Dataset) -> int | None:
    """Patient's Age (0010,1010) in whole years: ``049Y``, ``011M``, or a bare number."""
    match = _AGE.fullmatch(text(dataset, "PatientAge"))
    if not match:
        return None
    return int(int(match[1]) / _UNITS_PER_YEAR[match[2]])
