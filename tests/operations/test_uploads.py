"""A huge upload fills no disk, and its true size is known."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import JsonResponse
from django.test import Client
from django.urls import path


def received(request):
    file = request.FILES["file"]
    kept = len(file.read())
    return JsonResponse({"size": file.size, "kept": kept, "kind": type(file).__name__})


urlpatterns = [path("", received)]


@pytest.mark.parametrize(
    ("sent", "kept", "kind"),
    [
        (1_000, 1_000, "InMemoryUploadedFile"),
        (3_000_000, 3_000_000, "TemporaryUploadedFile"),
        (4_000_000, 4_000_000, "TemporaryUploadedFile"),
        # One byte more than allowed is kept, the rest is only counted.
        (4_000_001, 4_000_001, "TemporaryUploadedFile"),
        (9_000_000, 4_000_001, "TemporaryUploadedFile"),
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
