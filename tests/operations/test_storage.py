"""Files that no row names, and rows whose file is gone."""

import os
import time
from functools import partial
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError

from tests.inference.factories import AnalysisFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def check(run_command):
    return partial(run_command, "storage_check")


def store(name: str, *, hours: float = 48) -> Path:
    default_storage.save(name, ContentFile(b"12345"))
    path = Path(default_storage.path(name))
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


@pytest.fixture
def analysis():
    """A reading with its three files."""
    analysis = AnalysisFactory()
    analysis.map.save("", ContentFile(b"map"))
    analysis.radiograph.preview.save("", ContentFile(b"preview"))
    for file in (analysis.map, analysis.radiograph.preview, analysis.radiograph.file):
        os.utime(file.path, (0, 0))
    return analysis


def test_all_is_well(analysis, check):
    code, lines = check("--delete-orphans")
    assert code == 0
    assert lines[0].startswith("3 files, 3 named by rows; 0 orphans (0 bytes), 0 younger")
    assert all(
        file.storage.exists(file.name)
        for file in (analysis.map, analysis.radiograph.preview, analysis.radiograph.file)
    )


def test_nothing_is_there_yet(check):
    assert check() == (
        0,
        ["0 files, 0 named by rows; 0 orphans (0 bytes), 0 younger without a row, 0 missing."],
    )


def test_orphans_are_listed_and_deleted_only_on_demand(analysis, check):
    old = [store("radiographs/ab/x/image.dcm"), store("analyses/cd/y/map-1.png"), store("health/z")]
    young = store("radiographs/ab/new/image.dcm", hours=20)
    foreign = store("elsewhere/file")
    code, lines = check()
    assert code == 0
    assert sorted(line.split("\t")[1] for line in lines[:-1]) == [
        "analyses/cd/y/map-1.png",
        "health/z",
        "radiographs/ab/x/image.dcm",
    ]
    assert "3 orphans (198 bytes), 1 younger without a row, 0 missing" in lines[-1]
    assert all(path.exists() for path in old)
    assert check("--delete-orphans")[1][-1] == "3 orphans deleted."
    assert not any(path.exists() for path in old)
    assert young.exists()
    assert foreign.exists()
    assert check("--delete-orphans", "--older-than", "10")[1][-1] == "1 orphans deleted."
    assert analysis.radiograph.file.storage.exists(analysis.radiograph.file.name)


def test_a_row_without_its_file_is_an_alarm(analysis, check):
    analysis.map.storage.delete(analysis.map.name)
    code, lines = check("--delete-orphans")
    assert code == 1
    assert lines[0] == f"missing\t{analysis.map.name}\tinference.analysis {analysis.pk}\tmap"
    assert "1 missing" in lines[1]


@pytest.mark.parametrize("hours", ["0", "-5", "0.5", "nan"])
def test_files_of_this_hour_are_never_touched(check, hours):
    with pytest.raises(CommandError):
        check("--older-than", hours)
