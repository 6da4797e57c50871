"""A received file, examined before anything is written: what it is and what it holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from .dicom.header import Header, Inspection, inspect
from .dicom.structure import MIB
from .errors import StorageUnavailableError


@dataclass(frozen=True, slots=True)
class Incoming:
    """An accepted file: ``size`` in bytes, ``sha256`` of all of them, and what was found.

    The file stays open until the radiograph is stored: ``inspection`` reads the pixels from it.
    """

    size: int
    sha256: str
    inspection: Inspection

    @property
    def header(self) -> Header:
        return self.inspection.header


def examine(file: BinaryIO) -> Incoming:
    """Examine a received file; nothing is written and no pixel is decoded.

    The size comes first, then the structure, the rule of what is accepted, the pixels'
    fit, and the digest. Do it before a transaction begins: a large file takes a while.
    Raises the coded errors of ``radiology.errors``; ``StorageUnavailableError`` when the disk
    does not give back what was received.
    """
    try:
        inspection = inspect(file)
        digest, size = hashlib.sha256(), 0
        file.seek(0)
        while piece := file.read(MIB):
            digest.update(piece)
            size += len(piece)
    except OSError as error:
        raise StorageUnavailableError from error
    return Incoming(size, digest.hexdigest(), inspection)
