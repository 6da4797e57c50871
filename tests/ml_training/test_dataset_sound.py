"""A build that is cut short or run twice, a dataset that was changed, and the command."""

import io
import json

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ml_training import dataset_build
from ml_training.dataset_build import build_dataset
from ml_training.dataset_check import check_dataset
from ml_training.errors import (
    DatasetBuildRunningError,
    DatasetDamagedError,
    DatasetExistsError,
)
from ml_training.sources import index_source
from ml_training.sources_challenge import challenge_source
from tests.radiology.factories import dicom_bytes

from .challenge import read_csv, write_csv
from .test_dataset_build import index_rows


def test_a_build_that_was_cut_short_is_taken_up(challenge, tmp_path, monkeypatch):
    source = challenge_source(challenge)
    read, names = source.read, []

    def failing(case):
        if case.image_id == "image-20":
            raise OSError(28, "No space left on device")
        names.append(case.image_id)
        return read(case)

    source.read = failing
    with pytest.raises(OSError, match="No space left"):
        build_dataset(source, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    assert names
    # What a killed process may leave: a torn line, a damaged image, an image of no case.
    partial = tmp_path / "out.partial"
    with (partial / "journal.jsonl").open("a") as file:
        file.write('{"key": "ab')
    (partial / "images" / "image-03.png").write_bytes(b"half")
    (partial / "images" / "other.png").write_bytes(b"x")
    before, names = set(names), []
    source.read = lambda case: names.append(case.image_id) or read(case)

    build_dataset(source, tmp_path / "out")

    build_dataset(challenge_source(challenge), tmp_path / "again")
    assert (tmp_path / "out" / "index.csv").read_text() == (
        tmp_path / "again" / "index.csv"
    ).read_text()
    assert "image-03" in names
    # All that was noted is not rendered again; a few were under way when the disk was full.
    assert len(before & set(names)) <= 6
    assert check_dataset(tmp_path / "out")
    assert not partial.exists()


def test_a_file_that_changed_is_rendered_again(challenge, tmp_path):
    source = challenge_source(challenge)
    read = source.read

    def failing(case):
        if case.image_id == "image-29":
            raise OSError(5, "Input/output error")
        return read(case)

    source.read = failing
    with pytest.raises(OSError, match="Input/output"):
        build_dataset(source, tmp_path / "out", workers=1)
    changed = challenge / "stage_2_train_images" / "image-00.dcm"
    changed.write_bytes(dicom_bytes(rows=128, columns=96))

    build_dataset(challenge_source(challenge), tmp_path / "out")

    image = cv2.imread(str(tmp_path / "out" / "images" / "image-00.png"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (128, 96)


def test_two_builds_of_one_folder_at_once_are_refused(challenge, tmp_path):
    source = challenge_source(challenge)
    read = source.read
    refused = []

    def read_meanwhile(case):
        if not refused:
            with pytest.raises(DatasetBuildRunningError) as caught:
                build_dataset(challenge_source(challenge), tmp_path / "out")
            refused.append(caught.value)
        return read(case)

    source.read = read_meanwhile
    build_dataset(source, tmp_path / "out", workers=1)

    assert refused
    with pytest.raises(DatasetExistsError):
        build_dataset(challenge_source(challenge), tmp_path / "out")


def damage_image(folder):
    path = folder / "images" / "image-04.png"
    path.write_bytes(path.read_bytes()[:-1])


def move_patient(folder):
    rows = read_csv(folder / "index.csv")
    rows[0]["patient"] = next(r["patient"] for r in rows if r["split"] != rows[0]["split"])
    write_csv(folder / "index.csv", rows)


def relabel(folder):
    rows = read_csv(folder / "index.csv")
    rows[0]["label"] = "not_normal"
    write_csv(folder / "index.csv", rows)
    facts = json.loads((folder / "dataset.json").read_text())
    del facts["files"]["index.csv"]
    (folder / "dataset.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_image, ["images/image-04.png was changed or is missing"]),
        (
            lambda folder: (folder / "images" / "image-05.png").unlink(),
            ["images/image-05.png was changed or is missing"],
        ),
        (
            lambda folder: (folder / "images" / "x.png").write_bytes(b""),
            ["images/x.png is not in the index"],
        ),
        (
            move_patient,
            ["index.csv was changed or is missing", "1 patients are in more than one split"],
        ),
        (
            relabel,
            [
                "the counts in dataset.json are not those of index.csv",
                "the fingerprint in dataset.json is not that of index.csv",
            ],
        ),
    ],
)
def test_check_finds_what_was_changed(challenge, tmp_path, damage, said):
    build_dataset(challenge_source(challenge), tmp_path / "out")
    problems = []
    check_dataset(tmp_path / "out", report=problems.append)
    assert problems == []

    damage(tmp_path / "out")

    with pytest.raises(DatasetDamagedError):
        check_dataset(tmp_path / "out", report=problems.append)
    assert set(said) <= set(problems)


def build(challenge, out, *arguments: str, **options) -> None:
    """``manage.py dataset build``."""
    places = ["--challenge", str(challenge), "--out", str(out)]
    call_command("dataset", "build", *places, *arguments, verbosity=0, **options)


def test_the_command_builds_checks_and_says_why_not(challenge, tmp_path):
    out = io.StringIO()
    build(challenge, tmp_path / "out", "--validation", "0.4", stdout=out)
    assert "val: 12 images of 12 patients" in out.getvalue()
    call_command("dataset", "check", str(tmp_path / "out"), stdout=out, verbosity=0)
    assert "every checksum, split and count holds" in out.getvalue()

    with pytest.raises(CommandError, match="dataset_exists"):
        build(challenge, tmp_path / "out")
    damage_image(tmp_path / "out")
    errors = io.StringIO()
    with pytest.raises(CommandError, match="dataset_damaged"):
        call_command("dataset", "check", str(tmp_path / "out"), stderr=errors, verbosity=0)
    assert "image-04.png" in errors.getvalue()


def test_the_command_says_how_to_go_on_after_a_full_disk(challenge, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset_build, "write_whole", full)
    with pytest.raises(CommandError, match=r"^file_failed: .*no space left .* takes it up"):
        build(challenge, tmp_path / "out")


def test_the_command_says_which_images_are_too_small_and_by_which_limit(tmp_path):
    rows = index_rows(tmp_path / "given", ["train", "val", "test"])
    for number, side in ((0, 63), (1, 20000)):
        cv2.imwrite(str(tmp_path / "given" / f"{number}.png"), np.zeros((80, side), np.uint8))
    out = io.StringIO()
    arguments = ["dataset", "build", "--index", str(tmp_path / "given" / "index.csv"), "--out"]

    call_command(*arguments, str(tmp_path / "one"), stdout=out, verbosity=0)

    assert (
        "refused: 0 too_few_pixels: The image has only 63 x 80 pixels: too small to be read "
        "(at least 64 x 64).\n"
    ) in out.getvalue()
    assert "refused: 1 too_many_pixels: The image has 20000 x 80 pixels" in out.getvalue()
    write_csv(tmp_path / "given" / "index.csv", rows[:2])
    with pytest.raises(
        CommandError,
        match=r"^dataset_invalid: .* \(1 too_few_pixels, 1 too_many_pixels\).*at least 64 x 64",
    ):
        call_command(*arguments, str(tmp_path / "none"), stdout=out, verbosity=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "one"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--validation", "1.2"],
        ["--validation", "0.5", "--test", "0.5"],
        ["--max-side", "5"],
        ["--terms", "mine"],
    ],
)
def test_the_command_refuses_options_that_make_no_sense(challenge, tmp_path, arguments):
    with pytest.raises(CommandError):
        build(challenge, tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.real_data
def test_builds_from_the_real_files(real_data, tmp_path):
    facts = build_dataset(
        index_source(
            real_data / "dicom" / "rsna" / "index.csv",
            patients=real_data / "rsna" / "labels.csv",
        ),
        tmp_path / "out",
        max_side=256,
    )

    assert sum(facts["images"].values()) == 150
    assert facts["splits_given"] == 150
    assert facts["refused"]["count"] == 0
