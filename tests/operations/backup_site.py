"""Helpers of the backup tests: a system with something in it, and what it holds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile

from inference.registry import shipped_directories
from operations.backup.dump import table_digest, tables
from operations.backup.repository import Repository
from operations.backup.restoring import Target
from operations.backup.scratch import scratch_system, scratch_target
from operations.encryption.storages import EncryptedFileSystemStorage
from operations.models import AccessEvent
from operations.services import access_record
from tests.inference.factories import AnalysisFactory

# What must be readable nowhere in a repository.
PLANTED = ("PLANTEDIDENTIFIER", "planted.person@example.org", "PLANTEDLASTNAME")


def fill() -> None:
    """Two readings with their files and a model's file; recognisable names."""
    first = AnalysisFactory()
    AnalysisFactory()
    for analysis in (first,):
        analysis.map.save("", ContentFile(b"map" * 1000))
        analysis.radiograph.preview.save("", ContentFile(b"preview"))
    patient = first.radiograph.patient
    patient.identifier = PLANTED[0]
    patient.save()
    patient.owner.email, patient.owner.last_name = PLANTED[1:]
    patient.owner.save()
    access_record(actor=patient.owner, action="create", obj=patient)
    model = Path(settings.MODEL_ROOT) / "net-1"
    model.mkdir(exist_ok=True)
    (model / "facts.json").write_bytes((shipped_directories()[0] / "facts.json").read_bytes())
    assert AccessEvent.objects.exists()


def held(using: str = "default") -> dict:
    """Rows and digest of every table of a backup; of the record of access all but what backups
    and restores record of themselves."""
    found = {model._meta.label_lower: table_digest(model, using) for model in tables()}
    others = AccessEvent.objects.using(using).exclude(object_type__startswith="operations.")
    return found | {"operations.accessevent": list(others.values())}


def tree(folder: Path | str) -> dict[str, bytes]:
    """Every file below ``folder`` with its content, unsealed where it is sealed."""
    storage = EncryptedFileSystemStorage(location=folder)
    names = [str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()]
    found = {}
    for name in names:
        with storage.open(name) as file:
            found[name] = file.read()
    return found


def repository_folder() -> Path:
    return Path(Repository.configured().storage.location)


@cache
def _migrated() -> bytes:
    """A migrated SQLite database without rows: migrating takes seconds."""
    with scratch_system() as target:
        held(target.using)
        return Path(target.files.location).with_name("db.sqlite3").read_bytes()


@contextmanager
def empty_target() -> Iterator[Target]:
    """As ``scratch_system``, sooner."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "db.sqlite3").write_bytes(_migrated())
        with scratch_target(folder) as target:
            yield target
    finally:
        shutil.rmtree(folder)
