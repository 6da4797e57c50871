"""Backups of real databases: one moment while others write, and from one engine to the other."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from operations.backup.dump import snapshot, table_digest
from operations.backup.keys import new_key
from patients.models import Patient
from radiology.models import Radiograph
from tests.inference.factories import AnalysisFactory
from tests.operations.backup_site import held, tree
from tests.patients.factories import PatientFactory
from tests.services.conftest import Installation, connected_to

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


def test_a_snapshot_is_one_moment_and_nobody_waits_for_it(site):
    before = table_digest(Patient, "default")
    with snapshot() as alias:
        # Not looked at yet: the moment is when it began, not when a table is first read.
        PatientFactory(owner=site.patient.owner)
        Patient.objects.filter(pk=site.patient.pk).update(identifier="changed")
        assert table_digest(Patient, alias) == before
        assert Patient.objects.using(alias).count() == 1
    assert Patient.objects.count() == 2
    with snapshot() as alias:
        assert table_digest(Patient, alias) == table_digest(Patient, "default")


def test_a_backup_moves_to_the_other_engine(
    site, installation, mariadb_server, redis_server, tmp_path
):
    """SQLite to MariaDB and MariaDB to SQLite, by the commands that an operator types."""
    for number in range(3):
        analysis = AnalysisFactory(radiograph__patient=site.patient)
        analysis.map.save("", ContentFile(b"map" * number))
    Patient.objects.filter(pk=site.patient.pk).update(identifier="é 😀 ' \" \\ \u2028")
    Radiograph.objects.update(warnings=[{"code": "x", "é": [1.5, None, True, 10**12]}])
    wanted = held(), tree(installation.folder / "media"), tree(installation.folder / "models")
    secrets = {"BACKUP_KEYS": new_key(), "BACKUP_ROOT": str(tmp_path / "backups")}
    installation.environment |= secrets
    installation.manage("backup")

    if installation.kind == "sqlite":
        mariadb_server._client("CREATE OR REPLACE DATABASE other CHARACTER SET utf8mb4")
        url = mariadb_server.url.replace("/pneumoniapp", "/other")
    else:
        url = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    (tmp_path / "other").mkdir()
    other = Installation("other", tmp_path / "other", url, redis_server, None)
    other.environment |= secrets
    other.manage("migrate", "--verbosity", "0")
    other.manage("restore", "latest")
    with connected_to(other):
        assert held() == wanted[0]
        assert Patient.objects.get().identifier == "é 😀 ' \" \\ \u2028"
        assert Patient.objects.get().owner.check_password("correct horse battery")
    assert tree(other.folder / "media") == wanted[1]
    assert tree(other.folder / "models") == wanted[2]
    # And it runs on: a backup of what was restored.
    other.manage("backup")
