"""``manage.py classify``: a terminal, no server, nothing stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from inference.management.commands.classify import model_directory
from inference.models import LABELS, Analysis, Certainty
from inference.registry import version_directory
from inference.services import model_register
from radiology.models import Radiograph
from tests.radiology.factories import dicom_bytes


@pytest.fixture
def folder(tmp_path):
    """Two radiographs and a text file, one of them in a folder below."""
    made = tmp_path / "files"
    (made / "below").mkdir(parents=True)
    (made / "a.dcm").write_bytes(dicom_bytes())
    (made / "below" / "b.dcm").write_bytes(dicom_bytes(seed=1, ViewPosition=None))
    (made / "notes.txt").write_text("not a radiograph\n" * 20)
    return made


@pytest.fixture
def classify(run_command):
    return partial(run_command, "classify")


@pytest.mark.django_db
def test_one_json_object_for_each_file(folder, production, classify):
    code, lines = classify(str(folder), "--json")
    answers = [json.loads(line) for line in lines]
    assert code == 1, "a file was refused"
    assert [answer["file"] for answer in answers] == [
        str(folder / "a.dcm"),
        str(folder / "notes.txt"),
        str(folder / "below" / "b.dcm"),
    ]
    good, refused, flagged = answers
    assert good["label"] in LABELS
    assert set(good["probabilities"]) == set(LABELS)
    assert sum(good["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert good["certainty"] in Certainty.values
    assert good["model"] == str(production)
    assert (good["error"], good["warnings"]) == (None, [])
    assert refused["error"] == "not_dicom"
    assert refused["label"] is refused["probabilities"] is refused["certainty"] is None
    assert "view_unknown" in flagged["warnings"]
    assert not Analysis.objects.exists()
    assert not Radiograph.objects.exists()


@pytest.mark.django_db
def test_one_line_for_each_file(folder, production, classify):
    code, lines = classify(str(folder / "a.dcm"))
    assert code == 0
    (line,) = lines
    assert line.startswith(f"{folder / 'a.dcm'}\t")
    assert str(production) in line
    code, lines = classify(str(folder / "notes.txt"), str(folder / "a.dcm"))
    assert code == 1
    assert "refused\tnot_dicom" in lines[0]
    assert len(lines) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("threshold", "quantiles", "certainty", "named"),
    [
        (1e9, dict.fromkeys(LABELS, 1.0), "uncertain", 3),
        (1e9, {"normal": 1.0, "lung_opacity": 0.0, "not_normal": 0.0}, "certain", 1),
        (1e9, dict.fromkeys(LABELS, 0.0), "unlike", 0),
        (1e-9, dict.fromkeys(LABELS, 1.0), "unlike", 0),
    ],
)
def test_it_says_what_a_page_would(
    folder, folder_with_sets, classify, threshold, quantiles, certainty, named
):
    model = str(folder_with_sets(version="2", threshold=threshold, quantiles=quantiles))
    _, (line,) = classify(str(folder / "a.dcm"), "--json", "--model", model)
    answer = json.loads(line)
    assert answer["certainty"] == certainty
    assert len(answer["prediction_set"]) == sum(q == 1 for q in quantiles.values())
    assert answer["typical"] is (threshold > 1)
    _, (line,) = classify(str(folder / "a.dcm"), "--model", model)
    _file, finding, said, *_rest = line.split("\t")
    assert said == certainty
    assert finding == (" or ".join(answer["prediction_set"]) if named else "-")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"BodyPartExamined": "HAND"}, "not_chest"),
        ({"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "wrong_sop_class"),
        ({"PixelData": None}, "no_pixels"),
    ],
)
def test_the_rules_of_an_upload_apply(tmp_path, production, classify, overrides, code):
    file = tmp_path / "image.dcm"
    file.write_bytes(dicom_bytes(**overrides))
    status, lines = classify(str(file), "--json")
    assert (status, json.loads(lines[0])["error"]) == (1, code)


@pytest.mark.django_db
def test_a_blank_image_is_refused(tmp_path, production, classify):
    blank = dicom_bytes(pixels=np.zeros((256, 224), np.uint16), bits_stored=12)
    (tmp_path / "blank.dcm").write_bytes(blank)
    code, lines = classify(str(tmp_path), "--json")
    assert (code, json.loads(lines[0])["error"]) == (1, "blank_image")


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_refused(tmp_path, production, classify):
    status, lines = classify(str(tmp_path / "nothing.dcm"), "--json")
    assert (status, json.loads(lines[0])["error"]) == (1, "file_unreadable")


@pytest.mark.django_db
def test_which_model_is_asked(shipped, folder_like):
    assert model_directory(None) == shipped, "none is in production"
    present = model_register(directory=folder_like(version="t1"), promote=True)
    other = model_register(directory=folder_like(version="t2"))
    assert model_directory(None) == version_directory(present)
    assert model_directory(str(other)) == version_directory(other)
    assert model_directory(str(shipped)) == shipped
    with pytest.raises(CommandError, match="model_version_unknown"):
        call_command("classify", "--model", "nothing:1", "nowhere.dcm")


@pytest.mark.django_db
def test_a_database_that_cannot_be_asked_leaves_the_shipped_model(shipped, production):
    def gone(*_arguments):
        raise OperationalError("server has gone away")

    with connection.execute_wrapper(gone):
        assert model_directory(None) == shipped


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", "classify", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local"} | environment,
        capture_output=True,
        text=True,
    )


def test_from_a_terminal_without_database_broker_or_tensorflow(folder, tmp_path, shipped):
    """A bare checkout: the shipped model reads, and no database comes into being."""
    done = run(
        str(folder / "a.dcm"),
        "--json",
        VAR_DIR=str(tmp_path / "var"),
        DATABASE_URL="",
        # A module of this name that cannot be imported hides the real one.
        PYTHONPATH=str(_without_tensorflow(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["label"] in LABELS
    assert answer["model"].replace(":", "-") == shipped.name
    assert not list((tmp_path / "var").glob("*.sqlite3"))
    assert run(str(folder), VAR_DIR=str(tmp_path / "var"), DATABASE_URL="").returncode == 1


def _without_tensorflow(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tensorflow.py").write_text("raise ImportError('not installed here')\n")
    return blocked


@pytest.mark.real_data
@pytest.mark.django_db
def test_real_radiographs(real_data, production, classify):
    code, lines = classify(str(real_data / "dicom" / "varied"), "--json")
    answers = [json.loads(line) for line in lines]
    read = [answer for answer in answers if answer["error"] is None]
    refused = [answer for answer in answers if answer["error"]]
    assert code == 1
    assert len(read) == 5
    assert all("/chest/" in answer["file"] for answer in read)
    assert {answer["error"] for answer in refused} == {"not_chest"}
