"""A dataset folder out of a source: rendered, split, checksummed, all of it or nothing.

``index.csv`` (``INDEX_COLUMNS``), ``images/`` (8-bit grey PNG), ``boxes.csv`` where the source
has boxes, and ``dataset.json`` with the account of it all. It is built in ``FOLDER.partial``
and renamed at the end. A build that was cut short is taken up where it stopped.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from django.utils.translation import override

from inference.errors import ImageUnreadableError
from inference.model_input import MODEL_INPUT_VERSION
from inference.models import LABELS
from inference.pictures import read_labelled
from pneumoniapp.errors import CodedError, PermanentError, RetriableError, UnexpectedError
from radiology.dicom.render import shrunk

from .datasets import Fingerprint
from .errors import (
    DatasetBuildRunningError,
    DatasetExistsError,
    DatasetInvalidError,
    ImageMissingError,
)
from .files import write_whole
from .sources import Case, Source
from .splits import SPLITS, assign_splits, check_for_leak

FORMAT = 1
INDEX_COLUMNS = (
    "image_id",
    "label",
    "patient",
    "sex",
    "age",
    "view",
    "origin",
    "split",
    "file",
    "sha256",
)
BOX_COLUMNS = ("image_id", "x", "y", "width", "height", "rows", "columns")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
JOURNAL = "journal.jsonl"
LIBRARIES = ("numpy", "opencv-python-headless", "pydicom")

Progress = Callable[[Iterator[dict], int], Iterator[dict]]


def build_dataset(
    source: Source,
    out: Path,
    *,
    seed: int = 42,
    validation: float = 0.2,
    test: float = 0.0,
    max_side: int | None = None,
    name: str = "",
    workers: int = 2,
    progress: Progress = lambda records, _total: records,
) -> dict:
    """Build the dataset folder ``out`` and return the content of its ``dataset.json``.

    ``validation`` and ``test`` are the shares of images that those splits should have, where
    the source names no split. ``max_side`` bounds the longer side of the written images, in
    pixels. A file that can't be rendered is refused with its code and counted; a failing disk
    or storage ends the build, and the same call takes it up again.

    Raises :class:`DatasetExistsError`, :class:`DatasetBuildRunningError`, ``SplitLeakError``,
    :class:`DatasetInvalidError` and ``OSError``. What trying again cannot mend leaves nothing.
    """
    shares = {"train": 1 - validation - test, "val": validation, "test": test}
    if not (shares["train"] > 0 and validation >= 0 and test >= 0):  # NaN is none of it.
        raise DatasetInvalidError(reason="the shares of the splits are not between 0 and 1")
    if out.exists():
        raise DatasetExistsError(folder=str(out))
    check_for_leak([{"patient": case.patient, "split": case.split} for case in source.cases])
    partial = out.with_name(out.name + ".partial")
    (partial / "images").mkdir(parents=True, exist_ok=True)
    with _journal(partial, out) as journal:
        records = journal.records(source, max_side, workers)
        by_id = {record["image_id"]: record for record in progress(records, len(source.cases))}
        rows, refused = _rows(source.cases, by_id)
        if not rows:
            raise DatasetInvalidError(reason=_nothing_left(refused))
        assign_splits(rows, seed=seed, shares=shares)
        check_for_leak(rows)
        written = {row["file"] for row in rows}
        for path in [*(partial / "images").iterdir(), *partial.glob("*.*")]:
            if str(path.relative_to(partial)) not in written | {JOURNAL}:
                path.unlink()
        facts = {
            "format": FORMAT,
            "name": name or out.name,
            "source": source.kind,
            "terms": source.terms,
            "notes": source.notes,
            **source.facts,
            "seed": seed,
            "shares": shares,
            "splits_given": sum(bool(case.split) for case in source.cases),
            **counts_of(rows),
            "dropped": dict(sorted(source.dropped.items())),
            "refused": {
                "count": len(refused),
                "by_code": _by_code(refused),
                "images": {image: record["code"] for image, record in refused.items()},
                "sentences": {image: record["sentence"] for image, record in refused.items()},
            },
            "remarks": _remarks(by_id),
            "rendering": {
                "function": "radiology.dicom.render.render",
                "model_input_version": MODEL_INPUT_VERSION,
                "max_side": max_side,
            },
            "libraries": {library: version(library) for library in LIBRARIES},
        }
        files = {"index.csv": csv_text(INDEX_COLUMNS, rows)}
        if boxes := _boxes(source, by_id, {row["image_id"] for row in rows}):
            files["boxes.csv"] = csv_text(BOX_COLUMNS, boxes)
            facts["boxes"] = len(boxes)
        facts["files"] = {
            file: hashlib.sha256(text.encode()).hexdigest() for file, text in files.items()
        }
        facts["fingerprint"] = fingerprint_of(rows)
        files["dataset.json"] = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        for file, text in files.items():
            write_whole(partial / file, text)
        if out.exists():
            raise DatasetExistsError(folder=str(out))
        (partial / JOURNAL).unlink()
        os.sync()
        partial.rename(out)
    return facts


def counts_of(rows: list[dict]) -> dict:
    """``counts`` by split and label, ``patients`` and ``images`` by split."""
    return {
        "counts": {
            split: {
                label: sum(row["split"] == split and row["label"] == label for row in rows)
                for label in LABELS
            }
            for split in SPLITS
        },
        "images": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "patients": {
            split: len({row["patient"] for row in rows if row["split"] == split})
            for split in SPLITS
        },
    }


def fingerprint_of(rows: list[dict]) -> str:
    """The fingerprint that ``datasets.read_dataset`` finds."""
    fingerprint = Fingerprint()
    for row in sorted(rows, key=lambda row: row["file"]):
        fingerprint.add(row, row["sha256"])
    return fingerprint.hexdigest()


def csv_text(columns: tuple[str, ...], rows: list[dict]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class Journal:
    """What was rendered so far, one JSON line an image; a torn or stale line counts as none."""

    def __init__(self, folder: Path, file: io.TextIOBase) -> None:
        self.folder, self.file = folder, file
        file.seek(0)
        self.known: dict[str, dict] = {}
        for line in file:
            try:
                record = json.loads(line)
                self.known[record["key"]] = record
            except (ValueError, KeyError, TypeError):
                continue
        file.write("\n")

    def records(self, source: Source, max_side: int | None, workers: int) -> Iterator[dict]:
        """One record for each case of ``source``, in their order."""
        with ThreadPoolExecutor(workers) as threads:
            try:
                jobs = (
                    threads.submit(self._record, source, case, max_side) for case in source.cases
                )
                yield from self._ahead(jobs, 4 * workers)
            finally:
                threads.shutdown(cancel_futures=True)

    def _ahead(self, jobs: Iterator, number: int) -> Iterator[dict]:
        """The results of ``jobs``, ``number`` of them under way; new ones are noted."""
        waiting = []
        for job in jobs:
            waiting.append(job)
            if len(waiting) > number:
                yield self._note(waiting.pop(0).result())
        for job in waiting:
            yield self._note(job.result())

    def _note(self, record: dict) -> dict:
        if self.known.get(record["key"]) is not record:
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()
        return record

    def _record(self, source: Source, case: Case, max_side: int | None) -> dict:
        key = hashlib.sha256(
            json.dumps([source.kind, case.path, case.state, case.image_id, max_side]).encode()
        ).hexdigest()
        known = self.known.get(key)
        if known and self._holds(known):
            return known
        record = {"key": key, "image_id": case.image_id}
        try:
            return record | self._write(source, case, max_side)
        except RetriableError:
            raise
        except CodedError as error:
            with override("en"):  # Threads have a language each.
                return record | {"code": error.code, "sentence": str(error)}

    def _holds(self, record: dict) -> bool:
        """Whether the image of an earlier run is there, whole. Refused ones are tried again."""
        if "code" in record:
            return False
        path = self.folder / record["file"]
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == record["sha256"]

    def _write(self, source: Source, case: Case, max_side: int | None) -> dict:
        try:
            content = source.read(case)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ImageMissingError from error
        image, facts = rendered(content, Path(case.path).suffix)
        facts |= {"rows": image.shape[0], "columns": image.shape[1]}
        if max_side:
            image = shrunk(image, max_side)
        ok, data = cv2.imencode(".png", image)
        if not ok:
            raise ImageUnreadableError
        plain = PLAIN_NAME.fullmatch(case.image_id)
        stem = case.image_id if plain else hashlib.sha256(case.image_id.encode()).hexdigest()[:32]
        file = f"images/{stem}.png"
        write_whole(self.folder / file, data.tobytes())
        return facts | {"file": file, "sha256": hashlib.sha256(data.tobytes()).hexdigest()}


def rendered(content: bytes, suffix: str) -> tuple[np.ndarray, dict]:
    """The image, uint8 (H, W), as serving renders it, and what the header says of it.

    A picture is taken as it is. Raises what ``inference.pictures.read_labelled`` raises.
    """
    try:
        image, header = read_labelled(content, suffix)
    except CodedError:
        raise
    except Exception as error:  # one hostile file must not end the build
        raise UnexpectedError from error
    if header is None:
        return image, {}
    age = header.patient_age_years
    return image, {
        "sex": header.patient_sex,
        "age": "" if age is None else str(age),
        "view": header.view_position,
        "remarks": [entry["code"] for entry in header.warnings],
    }


def _by_code(refused: dict[str, dict]) -> dict[str, int]:
    return dict(sorted(Counter(record["code"] for record in refused.values()).items()))


def _nothing_left(refused: dict[str, dict]) -> str:
    """Why no image can be used, with the sentence of the first that was refused."""
    if not refused:
        return "it names no image that can be used"
    codes = ", ".join(f"{number} {code}" for code, number in _by_code(refused).items())
    first = next(iter(refused.values()))["sentence"].rstrip(".")
    return f"all images are refused ({codes}), such as: {first}"


def _rows(cases: list[Case], records: dict[str, dict]) -> tuple[list[dict], dict[str, dict]]:
    """Rows of the index sorted by image, and the records of the refused images."""
    rows, refused = [], {}
    for case in sorted(cases, key=lambda case: case.image_id):
        record = records[case.image_id]
        if "code" in record:
            refused[case.image_id] = record
            continue
        row = {
            column: getattr(case, column, "") or record.get(column, "") for column in INDEX_COLUMNS
        }
        rows.append(row)
    return rows, refused


def _boxes(source: Source, records: dict[str, dict], used: set[str]) -> list[dict]:
    return [
        box | {side: records[box["image_id"]][side] for side in ("rows", "columns")}
        for box in source.boxes
        if box["image_id"] in used
    ]


def _remarks(records: dict[str, dict]) -> dict[str, int]:
    """How many images each warning of their headers (``radiology.warnings``) concerns."""
    found = Counter(code for record in records.values() for code in record.get("remarks", ()))
    return dict(sorted(found.items()))


@contextmanager
def _journal(partial: Path, out: Path) -> Iterator[Journal]:
    """The journal of a build, held by this process alone."""
    with (partial / JOURNAL).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DatasetBuildRunningError(folder=str(out)) from error
        try:
            yield Journal(partial, file)
        except PermanentError:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def cores() -> int:
    return len(os.sched_getaffinity(0))
