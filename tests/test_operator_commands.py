"""What the commands for operators say when the machine below them fails."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize("command", ["models list", "promote a:1", "rollback"])
def test_a_database_that_was_never_set_up_is_one_line(tmp_path, command):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test",
        "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3",
        "VAR_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()], cwd=settings.BASE_DIR, env=environment,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "CommandError: database_failed: The database cannot be used: no such table"
    )
