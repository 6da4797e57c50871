"""A huge upload fills no disk, and its true size is known; a disk that is full breaks nothing."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import JsonResponse
from django.test import Client
from django.urls import path


def received(request):
    file = request.FILES["file"]
    kept = len(file.read())
    # What a process that is killed in this moment would leave behind.
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []
    return JsonResponse({"size": file.size, "kept": kept, "kind": type(file).__name__})


def read_each(request):
    """What reading each file gives: its length, or the name of the error."""
    found = {}
    for name, file in request.FILES.items():
        try:
            file.seek(0)
            found[name] = [file.size, len(file.read())]
        except OSError as error:
            found[name] = [file.size, type(error).__name__]
    return JsonResponse(found)


urlpatterns = [path("", received), path("each/", read_each)]


@pytest.mark.parametrize(
    ("sent", "kept", "kind"),
    [
        (1_000, 1_000, "InMemoryUploadedFile"),
        (3_000_000, 3_000_000, "UploadedFile"),
        (4_000_000, 4_000_000, "UploadedFile"),
        # One byte more than allowed is kept, the rest is only counted.
        (4_000_001, 4_000_001, "UploadedFile"),
        (9_000_000, 4_000_001, "UploadedFile"),
    ],
)
def test_no_more_is_kept_than_allowed(settings, tmp_path, sent, kept, kind):
    settings.ROOT_URLCONF = __name__
    settings.RADIOGRAPH_MAX_BYTES = 4_000_000
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    file = SimpleUploadedFile("image.dcm", bytes(sent))
    answer = Client().post("/", {"file": file}).json()
    assert answer == {"size": sent, "kept": kept, "kind": kind}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_to_who_reads_the_file_and_nothing_is_left(
    settings, tmp_path, small_disk
):
    settings.ROOT_URLCONF = __name__
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    files = {
        "lost": SimpleUploadedFile("lost.dcm", bytes(3_500_000)),
        "whole": SimpleUploadedFile("whole.dcm", bytes(2_700_000)),
    }
    answer = Client().post("/each/", files).json()
    assert answer == {"lost": [3_500_000, "OSError"], "whole": [2_700_000, 2_700_000]}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_too(settings, tmp_path):
    settings.ROOT_URLCONF = __name__
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "gone")
    file = SimpleUploadedFile("lost.dcm", bytes(3_500_000))
    answer = Client().post("/each/", {"lost": file}).json()
    assert answer == {"lost": [3_500_000, "FileNotFoundError"]}
