"""The lock files are what the .in files ask for, and every package has its reason."""

import re
import sys

import pytest
from django.conf import settings

sys.path.insert(0, str(settings.BASE_DIR / "scripts"))
import locks
import sum_closing_lines

FOLDER = settings.BASE_DIR / "requirements"


def test_the_lock_files_match():
    assert locks.faults() == []


def test_serving_installs_no_training_and_nothing_to_compile():
    pins = locks.pinned("base")
    assert not {"tensorflow", "tensorflow-cpu", "keras", "mysqlclient", "scikit-learn"} & set(pins)


@pytest.mark.parametrize(
    ("asked", "lock", "fault"),
    [
        ("tool>=2", "tool==2.1 \\\n    --hash=sha256:aa\n", None),
        ("tool>=2", "tool==1.9 \\\n    --hash=sha256:aa\n", "has tool 1.9"),
        ("tool", "other==1 \\\n    --hash=sha256:aa\n", "lacks tool"),
        ("tool", "tool==1\n", "no hash for tool"),
        ("-r low.in\ntool", "tool==1 \\\n    --hash=sha256:aa\n", "top.txt lacks low"),
        (
            "-r low.in\ntool",
            "tool==1 \\\n    --hash=sha256:aa\nlow==3 \\\n    --hash=sha256:aa\n",
            "several versions",
        ),
    ],
)
def test_what_counts_as_a_fault(tmp_path, asked, lock, fault):
    (tmp_path / "low.in").write_text("low")
    (tmp_path / "low.txt").write_text("low==2 \\\n    --hash=sha256:bb\n")
    (tmp_path / "top.in").write_text(asked)
    (tmp_path / "top.txt").write_text(lock)
    found = locks.faults(tmp_path)
    assert (fault in "\n".join(found)) if fault else found == []


def test_every_package_has_its_reason():
    page = (settings.BASE_DIR / "docs" / "dependencies.md").read_text()
    told = {name.lower() for name in re.findall(r"^\| ([A-Za-z0-9._-]+) \| \S", page, re.M)}
    named = {
        requirement.name.lower()
        for source in FOLDER.glob("*.in")
        for requirement in locks.asked(source.stem)
    }
    assert told - {"package"} == named


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ("3 passed in 1.2s", "3 passed, 0 failed, 0 skipped"),
        ("1 failed, 2 passed, 4 skipped in 9s\n5 passed in 1s", "7 passed, 1 failed, 4 skipped"),
        ("1 passed, 2 errors in 1s", "1 passed, 2 failed, 0 skipped"),
        ("no tests ran in 0.01s", "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_the_sum_of_closing_lines(lines, total):
    assert sum_closing_lines.total(lines) == total
