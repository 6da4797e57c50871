"""All grey values: equal to the decoded ones, with the facts by which a viewer shows them."""

import io

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import JPEG2000Lossless, RLELossless

from operations.models import AccessEvent
from operations.storage import storage_compare
from radiology.depth import depth_derive, depth_request
from radiology.dicom.decode import stored_values
from radiology.dicom.depth import decode_depth, encode_depth, pixel_spacing
from radiology.dicom.header import inspect
from radiology.dicom.render import render
from radiology.models import Radiograph
from radiology.tasks import derive_depth

from .factories import RadiographFactory, chest_pixels, dicom_bytes, dicom_dataset
from .test_render import table


def depth_of(**attributes) -> tuple[dict, np.ndarray]:
    inspection = inspect(io.BytesIO(dicom_bytes(**attributes)))
    return decode_depth(encode_depth(inspection, stored_values(inspection)))


def shown_by(facts: dict, samples: np.ndarray) -> np.ndarray:
    """8 bits by the formula of the viewer: the file's advice, else the whole range."""
    window = [*facts["windows"], facts["presets"]["auto"]][0]
    values = facts["scale"] * samples.astype(float) + facts["offset"]
    part = (values - (window["center"] - 0.5)) / max(window["width"] - 1, 1e-9) + 0.5
    if window["function"] == "SIGMOID":
        part = 1 / (1 + np.exp(-4 * (values - window["center"]) / window["width"]))
    part = np.clip(part, 0, 1)
    if window["function"] == "TABLE":
        curve = np.asarray(window["curve"]) / 255
        part = np.interp(part, np.linspace(0, 1, curve.size), curve)
    if facts["invert"]:
        part = 1 - part
    if facts["padding"]:
        low, high = facts["padding"]
        part[(samples >= low) & (samples <= high)] = 0
    return np.rint(255 * part).astype(np.uint8)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("rescale", [None, (1.0, -1024.0), (0.1, 3.5), (-2.0, 70.0)])
@pytest.mark.parametrize(
    ("bits", "signed"), [(8, False), (12, False), (16, False), (8, True), (12, True), (16, True)]
)
def test_the_values_are_those_of_the_file(bits, signed, rescale, photometric):
    pixels = chest_pixels(bits_stored=bits, signed=signed)
    attributes = {"pixels": pixels, "bits_stored": bits, "PhotometricInterpretation": photometric}
    if rescale:
        attributes |= {"RescaleSlope": rescale[0], "RescaleIntercept": rescale[1]}
    facts, samples = depth_of(**attributes)
    assert samples.dtype == np.uint16
    assert (facts["rows"], facts["columns"], facts["bits"]) == (*pixels.shape, bits)
    slope, intercept = rescale or (1.0, 0.0)
    np.testing.assert_allclose(
        facts["scale"] * samples + facts["offset"], slope * pixels + intercept, rtol=1e-9, atol=1e-6
    )
    assert len(np.unique(samples)) == len(np.unique(pixels)), "no level is lost"
    assert facts["invert"] == (photometric == "MONOCHROME1")


def test_every_possible_value_comes_back():
    pixels = np.random.default_rng(1).permutation(65536).astype(np.uint16).reshape(256, 256)
    _facts, samples = depth_of(pixels=pixels, bits_stored=16)
    np.testing.assert_array_equal(samples, pixels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_files_too(syntax):
    pixels = chest_pixels(bits_stored=12)
    _facts, samples = depth_of(pixels=pixels, bits_stored=12, transfer_syntax=syntax)
    np.testing.assert_array_equal(samples, pixels)


def test_a_modality_table_is_applied():
    pixels = chest_pixels(bits_stored=8)
    entries = [min(60_000, (255 - n) ** 2) for n in range(256)]
    sequence = table(entries)
    facts, samples = depth_of(pixels=pixels, bits_stored=8, ModalityLUTSequence=sequence)
    dataset = Dataset()
    dataset.ModalityLUTSequence = sequence
    np.testing.assert_array_equal(samples, apply_modality_lut(pixels, dataset))
    assert (facts["scale"], facts["offset"]) == (1, 0)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"WindowCenter": 2000, "WindowWidth": 1500},
        {"WindowCenter": [1500, 9], "WindowWidth": [2500, 3]},
        {"WindowCenter": 2000, "WindowWidth": 1500, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 2000, "WindowWidth": 1500, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 2000, "WindowWidth": 1500, "PhotometricInterpretation": "MONOCHROME1"},
        {"WindowCenter": 90000, "WindowWidth": 2},
        {"RescaleSlope": -0.5, "RescaleIntercept": 4000},
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 20},
        {"VOILUTSequence": table([n * n // 4096 for n in range(4096)], bits=12)},
    ],
    ids=str,
)
def test_it_first_looks_like_the_preview(attributes):
    """What the page shows before and after the pixels have come is one picture."""
    pixels = chest_pixels(bits_stored=12)
    facts, samples = depth_of(pixels=pixels, bits_stored=12, **attributes)
    preview = render(io.BytesIO(dicom_bytes(pixels=pixels, bits_stored=12, **attributes)))
    difference = shown_by(facts, samples).astype(int) - preview
    assert np.abs(difference).max() <= 1


def test_windows_and_presets():
    facts, _ = depth_of(WindowCenter=[2000, 1000], WindowWidth=[1500, 800])
    assert facts["windows"] == [
        {"center": 2000, "width": 1500, "function": "LINEAR"},
        {"center": 1000, "width": 800, "function": "LINEAR"},
    ]
    presets = facts["presets"]
    assert presets["lung"]["center"] < presets["auto"]["center"] < presets["bone"]["center"]
    inverted, _ = depth_of(PhotometricInterpretation="MONOCHROME1")
    assert inverted["presets"]["lung"]["center"] > inverted["presets"]["bone"]["center"]


def test_black_borders_are_neither_lung_nor_bone():
    plain = chest_pixels(bits_stored=12)
    pixels = np.zeros((512, 512), np.uint16)
    pixels[100 : 100 + plain.shape[0], 100 : 100 + plain.shape[1]] = plain
    bordered, _ = depth_of(pixels=pixels, bits_stored=12)
    without, _ = depth_of(pixels=plain, bits_stored=12)
    for name in ("lung", "bone"):
        found, expected = bordered["presets"][name], without["presets"][name]
        assert found["center"] == pytest.approx(expected["center"], rel=0.1)
        assert found["width"] == pytest.approx(expected["width"], rel=0.1)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.1]}, ("PixelSpacing", "unsaid", "", 0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, ("ImagerPixelSpacing", "detector", "", 0.2, 0.2)),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]},
            ("ImagerPixelSpacing", "detector", "", 0.2, 0.2),
        ),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.18, 0.18]},
            ("PixelSpacing", "calibrated", "", 0.18, 0.18),
        ),
        (
            {"PixelSpacing": [0.18, 0.18], "PixelSpacingCalibrationType": "FIDUCIAL"},
            ("PixelSpacing", "calibrated", "FIDUCIAL", 0.18, 0.18),
        ),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [1e9, 1e9]}, None),
        ({"PixelSpacing": 0.2}, None),
    ],
)
def test_the_spacing_says_what_it_holds_for(attributes, expected):
    found = pixel_spacing(dicom_dataset(**attributes))
    names = ("attribute", "kind", "calibration", "row", "column")
    assert (found and tuple(found[name] for name in names)) == expected


def test_side_and_view():
    facts, _ = depth_of(PatientOrientation=["L", "F"], ImageLaterality="U", ViewPosition="PA")
    assert (facts["orientation"], facts["laterality"], facts["view"]) == (["L", "F"], "U", "PA")
    facts, _ = depth_of(PatientOrientation=["JEAN", "F"], ViewPosition="AP")
    assert (facts["orientation"], facts["laterality"]) == (None, "")


@pytest.mark.parametrize("slope", ["1e300", "1e-300", "9e307"])
def test_numbers_beyond_reason_do_no_harm(slope):
    facts, samples = depth_of(RescaleSlope=slope, RescaleIntercept="1e300")
    assert np.isfinite([facts["scale"], facts["offset"]]).all()
    assert samples.any()


# --- Kept, asked for, served ---------------------------------------------------------------


@pytest.fixture
def radiograph(doctor):
    return RadiographFactory(patient__owner=doctor)


@pytest.fixture
def derived(radiograph):
    assert depth_derive(radiograph_id=radiograph.pk)
    radiograph.refresh_from_db()
    return radiograph


def url(radiograph, name: str = "radiology:depth") -> str:
    return reverse(name, args=[radiograph.pk])


@pytest.mark.django_db
def test_it_is_served_compressed_to_this_browser_alone(doctor_client, doctor, derived):
    response = doctor_client.get(url(derived))
    facts, samples = decode_depth(response.getvalue())
    assert samples.shape == (derived.rows, derived.columns)
    assert facts["bits"] == 12
    assert response["Content-Encoding"] == "gzip"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["Content-Type"] == "application/octet-stream"
    event = AccessEvent.objects.get(action="read", object_id=str(derived.pk))
    assert (event.actor, event.route) == (doctor, "radiology:depth")
    again = doctor_client.get(url(derived), headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Encoding" not in again


@pytest.mark.django_db
def test_others_find_nothing(other_doctor_client, client, derived):
    assert other_doctor_client.get(url(derived)).status_code == 404
    assert other_doctor_client.get(url(derived, "radiology:depth_state")).status_code == 404
    assert other_doctor_client.post(url(derived, "radiology:depth_state")).status_code == 404
    assert client.get(url(derived)).status_code == 302


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_not_found(doctor_client, radiograph, derived):
    derived.depth.storage.delete(derived.depth.name)
    assert doctor_client.get(url(derived)).status_code == 404
    Radiograph.objects.update(depth="")
    assert doctor_client.get(url(derived)).status_code == 404


@pytest.mark.django_db
def test_a_storage_that_fails_is_said(doctor_client, derived, fail_storage):
    fail_storage()
    response = doctor_client.get(url(derived))
    assert response.status_code == 503
    assert "Content-Encoding" not in response


@pytest.mark.django_db
def test_a_storage_that_fails_leaves_the_radiograph_without(radiograph, fail_storage, caplog):
    fail_storage()
    assert not depth_derive(radiograph_id=radiograph.pk)
    radiograph.refresh_from_db()
    assert not radiograph.depth
    assert "storage_unavailable" in caplog.text


@pytest.mark.django_db
def test_a_file_that_can_not_be_decoded_is_left_without(doctor, caplog):
    content = dicom_bytes(transfer_syntax=JPEG2000Lossless)
    damaged = content[: len(content) // 2] + b"\0" * (len(content) - len(content) // 2)
    radiograph = RadiographFactory(
        patient__owner=doctor, file=ContentFile(damaged, "image.dcm"), size=len(damaged)
    )
    assert not depth_derive(radiograph_id=radiograph.pk)
    assert "depth_failed" in caplog.text


@pytest.mark.django_db
def test_an_older_radiograph_is_asked_for_once(doctor_client, radiograph):
    state = url(radiograph, "radiology:depth_state")
    assert doctor_client.get(state).json() == {"ready": False}
    response = doctor_client.post(state)
    assert (response.status_code, response.json()) == (202, {"ready": False})
    assert not depth_request(radiograph=radiograph), "it is asked for already"
    derive_depth(str(radiograph.pk))
    assert doctor_client.get(state).json() == {"ready": True}
    assert doctor_client.post(state).status_code == 200
    derive_depth(str(radiograph.pk))
    derive_depth("0190e3a0-0000-7000-8000-000000000000")


@pytest.mark.django_db
def test_the_check_of_the_storage_knows_the_file(derived):
    import datetime as dt

    found = storage_compare(older_than=dt.timedelta(0))
    assert not found.orphans
    assert not found.lost
    derived.depth.storage.delete(derived.depth.name)
    lost = storage_compare(older_than=dt.timedelta(0)).lost
    assert [(entry.column, entry.pk) for entry in lost] == [("depth", str(derived.pk))]
