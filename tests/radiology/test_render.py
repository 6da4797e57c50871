"""Each step from stored values to grey, against the formulas of the standard and pydicom's own."""

import io

import cv2
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_windowing
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radiology.dicom.render import check_contrast, encode_preview, render
from radiology.errors import BlankImageError, MalformedError, UndecodableError

from .factories import chest_pixels, dicom_bytes, dicom_dataset

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def shown(**attributes) -> np.ndarray:
    return render(io.BytesIO(dicom_bytes(**attributes)))


def ramp(bits: int = 12, *, signed: bool = False) -> np.ndarray:
    """64 rows with every stored value (or every 16th) from the smallest to the largest."""
    low = -(1 << (bits - 1)) if signed else 0
    row = np.arange(low, low + (1 << bits), max(1, 1 << (bits - 8)))
    kind = ("i" if signed else "u") + ("1" if bits <= 8 else "2")
    return np.tile(row.astype(kind), (64, 1))


def table(values: list[int], first: int = 0, bits: int = 16, vr: str = "US") -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(values) % 65536, first, bits])
    item.add_new("LUTExplanation", "LO", "of MARTIN")
    item.add_new("LUTData", "US" if len(values) < 4096 else "OW", values)
    if len(values) >= 4096:
        item["LUTData"].value = np.asarray(values, "<u2").tobytes()
    return [item]


def test_a_linear_window():
    # PS3.3, C.11.2.1.2.1, the standard's own example of width and centre.
    image = shown(pixels=ramp(), bits_stored=12, WindowCenter=2048, WindowWidth=4096)
    x = ramp()[0].astype(float)
    expected = np.clip((x - 2047.5) / 4095 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(image[0], expected, atol=0.51)
    assert (image[0, 0], image[0, -1]) == (0, 254)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("slope", [1.0, 0.5, -2.0])
def test_windows_are_those_of_pydicom(function, signed, slope):
    values = ramp(signed=signed) * slope + 300
    center, width = float(np.median(values)) + 50, float(np.ptp(values)) / 3
    window = {"WindowCenter": [center, 10], "WindowWidth": [round(width, 1), 20]}
    image = shown(
        pixels=ramp(signed=signed),
        bits_stored=12,
        VOILUTFunction=function,
        RescaleSlope=slope,
        RescaleIntercept=300,
        **window,
    )
    # As for values of 8 bits, whose output range pydicom makes [0, 255].
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 8, 0
    dataset.WindowCenter, dataset.WindowWidth = window["WindowCenter"], window["WindowWidth"]
    if function:
        dataset.VOILUTFunction = function
    np.testing.assert_allclose(image, apply_windowing(values, dataset), atol=0.51)


def test_monochrome1_is_inverted_after_the_window():
    window = {"pixels": ramp(), "bits_stored": 12, "WindowCenter": 1000, "WindowWidth": 500}
    white = shown(PhotometricInterpretation="MONOCHROME2", **window)
    black = shown(PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_array_equal(white, 255 - black)
    assert (white[0, 0], white[0, -1]) == (0, 255)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_lungs_are_dark_either_way(kind):
    pixels = chest_pixels()
    if kind == "MONOCHROME1":
        pixels = 4095 - pixels
    image = shown(pixels=pixels, bits_stored=12, PhotometricInterpretation=kind)
    lung, spine = image[100:150, 50:80].mean(), image[100:150, 105:118].mean()
    assert lung < spine - 80


def test_rescale_comes_before_the_window():
    # A window of [0, 100] in the modality's unit: stored 1000 to 1200.
    image = shown(
        pixels=ramp(),
        bits_stored=12,
        RescaleSlope=0.5,
        RescaleIntercept=-500,
        WindowCenter=50,
        WindowWidth=100,
        VOILUTFunction="LINEAR_EXACT",
    )
    x = ramp()[0].astype(float)
    np.testing.assert_allclose(image[0], np.clip((x - 1000) / 200, 0, 1) * 255, atol=0.51)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("signed", [False, True])
def test_a_modality_table(syntax, signed):
    first = -100 if signed else 100
    entries = [int(65535 * (n / 511) ** 0.5) for n in range(512)]
    attributes = {
        "pixels": ramp(signed=signed),
        "bits_stored": 12,
        "transfer_syntax": syntax,
        "ModalityLUTSequence": table(entries, first, vr="SS" if signed else "US"),
        "WindowCenter": 32768,
        "WindowWidth": 65536,
    }
    attributes["ModalityLUTSequence"][0].ModalityLUTType = "US"
    image = shown(**attributes)
    places = np.clip(ramp(signed=signed)[0].astype(int) - first, 0, 511)
    expected = np.asarray(entries)[places] / 65535 * 255
    np.testing.assert_allclose(image[0], expected, atol=0.51)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("size", [256, 4096])
def test_a_table_of_interest_wins_over_a_window(syntax, size):
    entries = [int(4095 * (n / (size - 1)) ** 2) for n in range(size)]
    lut = table(entries, 0, 12)
    if size == 4096 and syntax == ExplicitVRBigEndian:
        lut[0]["LUTData"].value = np.asarray(entries, ">u2").tobytes()
    image = shown(
        pixels=ramp(),
        bits_stored=12,
        transfer_syntax=syntax,
        VOILUTSequence=lut,
        WindowCenter=1,
        WindowWidth=2,
    )
    places = np.clip(ramp()[0], 0, size - 1)
    np.testing.assert_allclose(image[0], np.asarray(entries)[places] / 4095 * 255, atol=0.51)


def test_a_table_of_8_bit_entries_packed_two_by_two():
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", bytes(reversed(range(256))))
    image = shown(pixels=ramp(8), bits_stored=8, VOILUTSequence=[item])
    np.testing.assert_array_equal(image[0], np.arange(255, -1, -1))


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_without_advice_percentiles_span_the_range(bits, signed):
    pixels = chest_pixels(300, 200, bits_stored=bits, signed=signed)
    image = shown(pixels=pixels, bits_stored=bits)
    low, high = np.percentile(pixels, [0.5, 99.5], method="inverted_cdf").astype(float)
    expected = np.clip((pixels.astype(float) - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(image, expected, atol=0.51)


@pytest.mark.parametrize(
    "advice",
    [
        # Nothing of the image lies inside.
        {"WindowCenter": 60_000, "WindowWidth": 10},
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": -5},
        {"WindowCenter": 100},
        {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": []},
    ],
)
def test_advice_that_shows_nothing_is_passed_over(advice):
    np.testing.assert_array_equal(shown(**advice), shown())


def test_a_broken_table_of_interest_is_passed_over_and_a_broken_modality_table_is_not():
    broken = table([1, 2, 3])
    broken[0].LUTDescriptor = [900, 0, 16]
    np.testing.assert_array_equal(shown(VOILUTSequence=broken), shown())
    with pytest.raises(MalformedError):
        shown(ModalityLUTSequence=broken)


@pytest.mark.parametrize(
    "rescale",
    [
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"RescaleSlope": "1e300", "RescaleIntercept": "-1e300"},
        {"RescaleSlope": "1e-300", "RescaleIntercept": 0},
    ],
)
def test_an_absurd_rescale_breaks_nothing(rescale):
    assert shown(**rescale).shape == (256, 224)


def test_padding_is_black_and_counts_for_nothing():
    pixels = np.clip(chest_pixels(), 100, 4000)
    plain = shown(pixels=pixels, bits_stored=12)
    padded = np.full((300, 300), 4095, np.uint16)
    padded[22 : 22 + 256, 38 : 38 + 224] = pixels
    for kind in ("MONOCHROME2", "MONOCHROME1"):
        image = shown(
            pixels=padded,
            bits_stored=12,
            PixelPaddingValue=4095,
            PhotometricInterpretation=kind,
        )
        assert (image[:22] == 0).all()
        inner = image[22 : 22 + 256, 38 : 38 + 224]
        inner = 255 - inner if kind == "MONOCHROME1" else inner
        np.testing.assert_allclose(inner, plain, atol=1)


def test_a_range_of_padding_with_either_sign():
    pixels = np.clip(chest_pixels(signed=True), -1900, 2000)
    pixels[:50], pixels[50:60] = -2000, -1950
    image = shown(
        pixels=pixels, bits_stored=12, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1950
    )
    assert (image[:60] == 0).all()
    assert image[60:].max() == 255


@pytest.mark.parametrize("value", [0, 2000, 4095])
def test_an_image_of_one_value_is_flat(value):
    image = shown(pixels=np.full((80, 90), value, np.uint16), bits_stored=12)
    assert image.shape == (80, 90)
    assert np.ptp(image) == 0


def test_all_kinds_of_source_give_the_same(tmp_path):
    content = dicom_bytes()
    path = tmp_path / "image.dcm"
    path.write_bytes(content)
    expected = render(io.BytesIO(content))
    assert expected.dtype == np.uint8
    for source in (path, str(path), dcmread(path), dicom_dataset()):
        np.testing.assert_array_equal(render(source), expected)


def test_any_plain_image_is_rendered_chest_or_not():
    attributes = {"BodyPartExamined": "HAND", "ViewPosition": "LL", "StudyDate": "20240230"}
    np.testing.assert_array_equal(shown(**attributes), shown())


def test_previews_are_jpeg_and_bounded():
    image = shown(rows=1500, columns=600)
    jpeg = encode_preview(image)
    assert jpeg[:2] == b"\xff\xd8"
    preview = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert preview.shape == (1024, 410)
    small = encode_preview(image[:100, :80], max_side=1024)
    preview = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_UNCHANGED)
    assert preview.shape == (100, 80)
    assert np.abs(preview.astype(int) - image[:100, :80]).mean() < 3


def test_a_stream_that_can_not_be_decoded():
    from pydicom.uid import JPEG2000Lossless

    content = bytearray(dicom_bytes(transfer_syntax=JPEG2000Lossless))
    # The coding style: more decomposition levels than there are.
    place = content.index(b"\xff\x52")
    content[place + 9] = 200
    with pytest.raises(UndecodableError):
        render(io.BytesIO(bytes(content)))


def blank(kind: str) -> np.ndarray:
    """Stored values (256, 224) of 12 bits that show no radiograph."""
    image = np.full((256, 224), {"black": 0, "white": 4095}.get(kind, 900), np.uint16)
    if kind == "noise":
        image += np.random.default_rng(0).integers(-9, 10, image.shape).astype(np.int16).view("u2")
    if kind == "mark":
        image[5:15, 5:15] = chest_pixels(10, 10)
    if kind == "writing":
        image[::4, ::2] = 3000
    return image


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kind", ["black", "grey", "white", "noise", "mark", "writing"])
def test_an_image_that_shows_nothing_is_told(kind, photometric):
    image = shown(pixels=blank(kind), bits_stored=12, PhotometricInterpretation=photometric)
    with pytest.raises(BlankImageError):
        check_contrast(image)


def test_an_image_poor_in_contrast_is_none_that_shows_nothing():
    check_contrast(shown())
    pixels = 900 + (chest_pixels() // 40)
    check_contrast(shown(pixels=pixels, bits_stored=12))
    with pytest.raises(BlankImageError):
        check_contrast(shown(pixels=900 + chest_pixels() // 200, bits_stored=12))
