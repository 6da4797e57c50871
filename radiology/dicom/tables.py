"""Look-up tables in a header (DICOM PS3.3, C.11.1.1.1 and C.11.2.1.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom import Dataset

from radiology.errors import MalformedError

from .attributes import value_of

TAGS = ("LUTDescriptor", "LUTData")


@dataclass(frozen=True, slots=True)
class LookupTable:
    """``entries[0]`` is for the value ``first`` and all below it, the last for all above.

    Entries are in [0, 2**bits); ``bits`` is 8 to 16.
    """

    first: int
    bits: int
    entries: tuple[int, ...]


def first_table(dataset: Dataset, keyword: str, *, little: bool) -> LookupTable | None:
    """The first table of ``ModalityLUTSequence`` or ``VOILUTSequence``, or ``None``.

    Raises :class:`MalformedError` for one that can't be one.
    """
    if keyword not in dataset:
        return None
    items = value_of(dataset, keyword)
    if items is None:
        # An empty sequence, or one that can't be read.
        raw = dataset.get_item(keyword).value
        if raw:
            raise MalformedError
        return None
    try:
        return _table(items[0], little=little)
    except (TypeError, ValueError, struct.error):
        raise MalformedError from None


def _table(item: Dataset, *, little: bool) -> LookupTable:
    descriptor, data = (value_of(item, keyword) for keyword in TAGS)
    count, first, bits = (int(value) for value in descriptor)
    # 0 stands for 65,536, and a signed table writes a large count as a negative number.
    count = (count & 0xFFFF) or 0x10000
    if isinstance(data, bytes):
        entries = _unpacked(data, count, bits, little=little)
    else:
        entries = tuple(int(value) & 0xFFFF for value in ([data] if count == 1 else data))
    if len(entries) != count or not 8 <= bits <= 16:
        raise MalformedError
    return LookupTable(first, bits, entries)


def _unpacked(data: bytes, count: int, bits: int, *, little: bool) -> tuple[int, ...]:
    """Entries of 16 bits, or of 8 bits packed two by two."""
    if bits == 8 and len(data) == count + count % 2 and count > 1:
        return tuple(data[:count])
    return struct.unpack(f"{'<' if little else '>'}{count}H", data[: 2 * count])
