"""What the processes load, and that a worker refuses to start where it could not work."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from operations.checks import folders_are_usable


def loaded_after(program: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after ``program``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sorted(sys.modules))"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_web_process_loads_no_decoder_and_no_model_runtime():
    loaded = loaded_after("import pneumoniapp.wsgi")
    assert not loaded & {"cv2", "tensorflow", "keras", "ai_edge_litert", "sklearn", "matplotlib"}


def test_the_worker_loads_no_tensorflow():
    loaded = loaded_after(
        "from pneumoniapp.celery import app; app.loader.import_default_modules()\n"
        "import inference.pipeline, radiology.dicom.render"
    )
    assert "cv2" in loaded
    assert not loaded & {"tensorflow", "keras", "sklearn", "matplotlib"}


def test_usable_folders_are_no_error(settings):
    assert folders_are_usable() == []


@pytest.mark.parametrize("name", ["MODEL_ROOT", "MEDIA_ROOT"])
def test_a_folder_that_cannot_be_used_is_an_error(settings, tmp_path, name):
    (tmp_path / "file").touch()
    setattr(settings, name, str(tmp_path / "file"))
    (error,) = folders_are_usable()
    assert name in error.msg
    setattr(settings, name, str(tmp_path / "file" / "below"))
    assert len(folders_are_usable()) == 1


def test_a_folder_that_will_be_made_on_first_use_is_no_error(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "not" / "yet")
    assert folders_are_usable() == []


@pytest.mark.services
def test_a_worker_does_not_start_without_its_folders(tmp_path):
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "pneumoniapp", "worker", "--pool", "solo"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local",
            "VAR_DIR": str(tmp_path),
            "MODEL_ROOT": str(tmp_path / "file"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "The worker can't start" in done.stderr
    assert "MODEL_ROOT" in done.stderr
