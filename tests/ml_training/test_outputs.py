"""Where a command is to write is looked at before it works; a file that fails is one line."""

import errno
import os

import pytest
from django.core.management import CommandError, call_command

from ml_training.files import whole_folder, write_whole
from pneumoniapp.commands import coded_line, file_fault
from tests.ml_training.configs import write_config
from tests.ml_training.test_datasets import synthetic_rows


@pytest.fixture
def data(tmp_path):
    synthetic_rows(tmp_path, each=1)
    write_config(tmp_path, architecture="cnn_original")
    (tmp_path / "file").write_text("in the way")
    return tmp_path


@pytest.mark.parametrize("below", ["file/x", "file/x/y"])
@pytest.mark.parametrize(
    "command",
    [
        "dataset build --index {0}/index.csv --out {1}",
        "dataset report {0}/index.csv --out {1}",
        pytest.param("train {0}/tiny.yaml --run {1}", marks=pytest.mark.training),
        pytest.param("compare {0} --out {1}", marks=pytest.mark.training),
        pytest.param("compare {0} --out {0}/c.html --json {1}", marks=pytest.mark.training),
        pytest.param("learning_curve --backbone {0} --out {1}", marks=pytest.mark.training),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_cannot_be_written_is_told_before_the_work(data, command, below, capsys):
    line = command.format(data, data / below).split()
    before = sorted(path for path in data.rglob("*"))

    with pytest.raises(CommandError, match=r"^file_failed: .*/file.*: not a directory\.$"):
        call_command(line[0], *line[1:])

    assert sorted(path for path in data.rglob("*")) == before
    assert "..." not in capsys.readouterr().err, "no work was begun"


def test_a_folder_in_the_place_of_the_report_is_told(data):
    with pytest.raises(CommandError, match=r"file_failed: .*images .*: is a directory"):
        call_command("dataset", "report", f"{data}/index.csv", "--out", f"{data}/images")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), "a/b"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "A file"),
        (RuntimeError("Unable to flush (errno = 28, 'No space left on device')"), "A file"),
        (RuntimeError("something else"), None),
        (OSError("not a word of which"), None),
    ],
)
def test_disk_faults_are_told_from_other_errors(error, said):
    found = file_fault(error)

    line = found and coded_line(found)
    sentence = "file_failed: {} cannot be read or written: no space left on device."
    assert line == (said and sentence.format(said))


def test_a_file_and_a_folder_are_there_whole_or_as_they_were(tmp_path):
    write_whole(tmp_path / "a.txt", "first")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "a.txt", 5)
    with whole_folder(tmp_path / "f") as folder:
        (folder / "one").write_text("1")
    with pytest.raises(TypeError), whole_folder(tmp_path / "f") as folder:
        write_whole(folder / "two", 5)

    assert (tmp_path / "a.txt").read_text() == "first"
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["one"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "f"]

    with whole_folder(tmp_path / "f") as folder:
        (folder / "two").write_text("2")
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "f"]
