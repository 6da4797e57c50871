"""Real radiographs: accepted or refused by the rule, and rendered as they were when looked at.

``golden.json`` holds, for each file, coarse facts of the rendering that was looked at: its size
and the means of a grid of 16 x 16 blocks. ``python -m tests.radiology.test_real_data`` writes
it anew.
"""

import hashlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from pneumoniapp.errors import CodedError
from radiology.dicom.decode import stored_values
from radiology.dicom.deidentify import write_deidentified
from radiology.dicom.header import inspect, peek_header, read_header
from radiology.dicom.render import check_contrast, render, rendered
from radiology.errors import UndecodableError

pytestmark = pytest.mark.real_data
GOLDEN = Path(__file__).parent / "golden.json"
GRID = 16

ACCEPTED = {
    "mono1_cr_jpeg2000.dcm": [],
    "mono1_cr_jpegls_near.dcm": [],
    "mono1_dx_12bit_jpeg2000_lossless.dcm": [],
    "mono1_fake_jpeg.dcm": ["secondary_capture"],
    "mono2_dx_8bit_implicit_vr.dcm": ["secondary_capture", "view_unknown"],
}
# All name another part of the body; the smallest would be too small as well.
REFUSED = {
    "not_chest/cr_cspine_16x16.dcm": "not_chest",
    "not_chest/cr_jpeg2000.dcm": "not_chest",
    "not_chest/cr_jpeg_lossless.dcm": "not_chest",
    "not_chest/cr_jpegls_lossless.dcm": "not_chest",
    "not_chest/cr_rle.dcm": "not_chest",
    "unreadable/cr_jpeg_extended_12bit.dcm": "not_chest",
}
RENDERED = [
    *(f"dicom/varied/chest/{name}" for name in ACCEPTED),
    "dicom/varied/not_chest/cr_jpeg2000.dcm",
    "dicom/varied/not_chest/cr_jpeg_lossless.dcm",
    "dicom/varied/not_chest/cr_jpegls_lossless.dcm",
    "dicom/varied/not_chest/cr_rle.dcm",
    "dicom/varied/unreadable/cr_jpeg_extended_12bit.dcm",
    "dicom/rsna/0022073f-cec8-42ec-ab5f-bc2314649235.dcm",
    "dicom/rsna/00293de0-a530-41dc-9621-0b3def01d06d.dcm",
]


def facts(path: Path) -> dict:
    image = render(path)
    check_contrast(image)
    means = cv2.resize(image.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return {"shape": list(image.shape), "means": np.rint(means).astype(int).tolist()}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_varied_chest_radiographs_are_accepted(real_data, name):
    with (real_data / "dicom/varied/chest" / name).open("rb") as file:
        header = read_header(file)
    assert [warning["code"] for warning in header.warnings] == ACCEPTED[name]
    assert header.body_part == "CHEST"


def test_none_is_forgotten(real_data):
    varied = real_data / "dicom/varied"
    assert {path.name for path in (varied / "chest").glob("*.dcm")} == set(ACCEPTED)
    others = {*varied.glob("not_chest/*.dcm"), *varied.glob("unreadable/*.dcm")}
    assert {str(path.relative_to(varied)) for path in others} == set(REFUSED)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_chest_is_refused(real_data, name):
    content = (real_data / "dicom/varied" / name).read_bytes()
    for read in (read_header, peek_header):
        with pytest.raises(CodedError) as caught:
            read(io.BytesIO(content))
        assert caught.value.code == REFUSED[name]


def test_the_challenges_files_are_accepted_and_stored_as_they_look(real_data):
    paths = sorted((real_data / "dicom/rsna").glob("*.dcm"))
    assert len(paths) == 150
    for path in paths:
        content = path.read_bytes()
        inspection = inspect(io.BytesIO(content))
        header = inspection.header
        assert header.warnings == [{"code": "secondary_capture"}]
        assert header.view_position in ("PA", "AP")
        assert header.acquired_on is None  # 1901-01-01 stands for no date.
        assert peek_header(io.BytesIO(content[:4096])) == header
        clean = io.BytesIO()
        write_deidentified(inspection, clean)
        assert path.stem.encode() not in clean.getvalue()  # Patient's Name and ID.
        again = inspect(clean)
        assert again.header.sop_instance_uid == header.sop_instance_uid
        values = stored_values(inspection)
        check_contrast(rendered(inspection, values))
        if path.stem < "02":
            np.testing.assert_array_equal(stored_values(again), values)


def test_a_real_stream_that_lost_its_end_is_refused(real_data):
    path = sorted((real_data / "dicom/rsna").glob("*.dcm"))[0]
    dataset = dcmread(path)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
    dataset.PixelData = encapsulate([stream[: len(stream) * 9 // 10] + b"\xff\xd9"])
    with pytest.raises(UndecodableError):
        render(dataset)


@pytest.mark.parametrize("name", RENDERED)
def test_renderings_are_those_that_were_looked_at(real_data, name):
    golden = json.loads(GOLDEN.read_text())[name]
    found = facts(real_data / name)
    assert found["shape"] == golden["shape"]
    # Another version of a decoder may round otherwise; a wrong window or sign is far away.
    np.testing.assert_allclose(found["means"], golden["means"], atol=2)


def test_one_image_in_four_lossless_syntaxes_is_one_image(real_data):
    folder = real_data / "dicom/varied/not_chest"
    images = [render(folder / f"cr_{n}.dcm") for n in ("jpeg_lossless", "jpegls_lossless", "rle")]
    assert len({hashlib.sha256(image).hexdigest() for image in images}) == 1
    # The lossy ones are close, the 12-bit JPEG too, whose overshoot must not wrap around.
    for lossy in (
        folder / "cr_jpeg2000.dcm",
        real_data / "dicom/varied/unreadable/cr_jpeg_extended_12bit.dcm",
    ):
        difference = np.abs(render(lossy).astype(int) - images[0])
        assert difference.mean() < 1
        assert difference.max() < 40


@pytest.mark.parametrize("name", ["mono1_cr_jpeg2000.dcm", "mono1_dx_12bit_jpeg2000_lossless.dcm"])
def test_inverted_files_show_dark_lungs(real_data, name):
    image = render(real_data / "dicom/varied/chest" / name)
    height, width = image.shape
    lung = image[height // 4 : height // 2, width // 5 : 2 * width // 5].mean()
    spine = image[3 * height // 4 :, 9 * width // 20 : 11 * width // 20].mean()
    assert lung + 40 < spine


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")
    django.setup()
    from tests.conftest import DATA

    golden = {name: facts(DATA / name) for name in RENDERED}
    GOLDEN.write_text(json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"') + "\n")
