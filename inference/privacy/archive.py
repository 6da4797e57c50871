"""A ZIP archive that is sent while it is made: no file of it is kept, little is in memory."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.core.files.storage import Storage
from django.utils import timezone

PIECE = 256 * 1024


class Stored(NamedTuple):
    """A stored file, without the row that names it: thousands of them may wait for their turn."""

    storage: Storage
    name: str


class _Pipe(io.RawIOBase):
    """What was written since it was last asked for; there is no way back."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self.pieces)
        self.pieces.clear()
        self.size = 0
        return data


def zip_stream(documents: dict[str, object], files: dict[str, Stored]) -> Iterator[bytes]:
    """The archive, piece by piece: ``documents`` by name, then the stored ``files``.

    A document is written as JSON; an iterator of bytes as what it gives.

    Its last entry, ``files.json``, tells of each file its size and SHA-256, or that it is
    missing. What can't be read for another reason ends the stream without the archive's
    directory, so that no program takes the part for the whole.
    """
    pipe, found = _Pipe(), []
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, document in documents.items():
            pieces = document if isinstance(document, Iterator) else [_json(document)]
            yield from _entry(archive, pipe, name, pieces)
        for name, file in files.items():
            try:
                opened = file.storage.open(file.name, "rb")
            except FileNotFoundError:
                found.append({"name": name, "missing": True})
                continue
            digest, size = hashlib.sha256(), 0
            with opened, _opened(archive, name) as entry:
                while piece := opened.read(PIECE):
                    digest.update(piece)
                    size += len(piece)
                    entry.write(piece)
                    yield pipe.taken()
            found.append({"name": name, "size": size, "sha256": digest.hexdigest()})
        yield from _entry(archive, pipe, "files.json", [_json(found)])
    yield pipe.taken()


def _entry(archive, pipe: _Pipe, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    with _opened(archive, name) as entry:
        for piece in pieces:
            entry.write(piece)
            if pipe.size >= PIECE:
                yield pipe.taken()
    yield pipe.taken()


def _opened(archive: zipfile.ZipFile, name: str):
    info = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
    info.external_attr = 0o600 << 16
    return archive.open(info, "w", force_zip64=True)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
