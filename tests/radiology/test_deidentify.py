"""Nothing of the patient is in the stored file, and everything that shows the image is."""

import io
import struct

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import DicomDictionary
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLossless,
    RLELossless,
)

from radiology.dicom.attributes import tag_of
from radiology.dicom.deidentify import EMPTIED, KEPT, write_deidentified
from radiology.dicom.header import inspect
from radiology.dicom.render import render

from .factories import dicom_bytes, dicom_dataset, to_bytes
from .test_render import table

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGLossless,
]
# Longest first: what a value of each kind may hold of a marker.
MARKER = "DUPONTMARKER"
TEXTS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
# By which a file is a file, and identified: their values are shown elsewhere to be right.
NEEDED = {"PhotometricInterpretation", "Modality", "SpecificCharacterSet"}


def stored(content: bytes) -> bytes:
    out = io.BytesIO()
    write_deidentified(inspect(io.BytesIO(content)), out)
    return out.getvalue()


def every_text_element() -> list[tuple[int, str, str]]:
    """(tag, VR, keyword) of every element of the dictionary that holds text, below the pixels."""
    return [
        (tag, vr, keyword)
        for tag, (vr, _vm, _name, _retired, keyword) in DicomDictionary.items()
        if vr in TEXTS and 0x00080000 <= tag < 0x7FE00000 and keyword not in NEEDED
    ]


def marked_dataset(syntax: str) -> Dataset:
    """A chest radiograph with the marker in every text element, in sequences, private ones,
    curves, overlays, dates' neighbours and unknown elements."""
    dataset = dicom_dataset(transfer_syntax=syntax)
    for tag, vr, keyword in every_text_element():
        # Where another word would refuse the file, it stands behind a good one.
        good = {"ViewPosition": "PA", "BodyPartExamined": "CHEST"}.get(keyword)
        dataset.add_new(tag, vr, [good, MARKER] if good else MARKER)
    nested = Dataset()
    nested.PatientName = f"{MARKER}^NESTED"
    nested.ImageComments = MARKER
    deeper = Dataset()
    deeper.TextValue = MARKER
    nested.ContentSequence = [deeper]
    dataset.RequestAttributesSequence = [nested]
    dataset.OtherPatientIDsSequence = [nested]
    dataset.OriginalAttributesSequence = [nested]
    dataset.ViewCodeSequence = [nested]
    dataset.AnatomicRegionSequence = [nested]
    dataset.ModalityLUTSequence = table([0, 1000, 3000, 4095])
    dataset.ModalityLUTSequence[0].ModalityLUTType = MARKER
    dataset.VOILUTSequence = table([0, 1000, 3000, 4095], bits=12)
    dataset.VOILUTSequence[0].PatientName = MARKER
    block = dataset.private_block(0x0009, MARKER, create=True)
    block.add_new(0x01, "LO", MARKER)
    block.add_new(0x02, "OB", MARKER.encode())
    block.add_new(0x03, "SQ", [nested])
    for group in (0x5000, 0x6000, 0x601E):
        dataset.add_new(group << 16 | 0x0022, "LO", MARKER)
        dataset.add_new(group << 16 | 0x3000, "OW", MARKER.encode())
    dataset.add_new(0x00081050, "UN", MARKER.encode())
    dataset.IconImageSequence = [nested]
    dataset.EncapsulatedDocument = MARKER.encode()
    dataset.PatientBirthDate, dataset.PatientAge, dataset.PatientSex = "19370907", "087Y", "F"
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_no_marker_remains(syntax):
    dataset = marked_dataset(syntax)
    dataset.file_meta.SourceApplicationEntityTitle = MARKER
    dataset.file_meta.SendingApplicationEntityTitle = MARKER
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3"
    dataset.file_meta.PrivateInformation = MARKER.encode()
    dataset.file_meta.ImplementationVersionName = MARKER
    content = to_bytes(dataset, preamble=(MARKER * 11).encode()[:128])
    assert len(every_text_element()) > 1000
    if syntax != DeflatedExplicitVRLittleEndian:
        assert content.count(MARKER.encode()) > 1000
    clean = stored(content)
    for trace in (
        MARKER,
        "NESTED",
        "19370907",
        "087Y",
        "20240115",
        "101500",
        "ESSAI-1",
        "ACC-0001",
    ):
        assert trace.encode() not in clean
    assert clean[:128] == bytes(128)
    np.testing.assert_array_equal(
        dcmread(io.BytesIO(clean)).pixel_array, dcmread(io.BytesIO(content)).pixel_array
    )


def test_only_what_the_allow_list_names_is_written():
    clean = stored(to_bytes(marked_dataset(ExplicitVRLittleEndian)))
    written = {element.tag for element in dcmread(io.BytesIO(clean))}
    added = {
        tag_of(keyword)
        for keyword in (
            "PixelData",
            "PatientIdentityRemoved",
            "DeidentificationMethod",
            "DeidentificationMethodCodeSequence",
            "LongitudinalTemporalInformationModified",
        )
    }
    assert written <= {tag_of(keyword) for keyword in (*KEPT, *EMPTIED)} | added


@pytest.mark.parametrize("keyword", sorted({*KEPT} - {e.keyword for e in dicom_dataset()}))
def test_a_name_under_a_tag_that_is_kept_is_dropped(keyword):
    """A text smuggled in under a VR that isn't the tag's own."""
    content = dicom_bytes()
    tag = tag_of(keyword)
    smuggled = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"LO", 12) + MARKER.encode()
    following = min(e.tag for e in dcmread(io.BytesIO(content)) if e.tag > tag)
    at = content.index(struct.pack("<HH", following >> 16, following & 0xFFFF), 132)
    marked = content[:at] + smuggled + content[at:]
    assert dcmread(io.BytesIO(marked))[tag].VR == "LO"
    assert MARKER.encode() not in stored(marked)


def test_what_says_how_it_was_done():
    clean = dcmread(io.BytesIO(stored(dicom_bytes())))
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.LongitudinalTemporalInformationModified == "REMOVED"
    codes = [
        (item.CodeValue, item.CodingSchemeDesignator)
        for item in clean.DeidentificationMethodCodeSequence
    ]
    assert codes == [("113100", "DCM"), ("113110", "DCM")]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber"):
        assert keyword in clean
        assert not clean[keyword].value
    assert set(clean.file_meta.keys()) == {
        0x00020000 + n for n in (0x0, 0x1, 0x2, 0x3, 0x10, 0x12, 0x13)
    }


def test_what_identifies_the_image_stays():
    content = dicom_bytes(SOPInstanceUID="1.2.3.4", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    clean = dcmread(io.BytesIO(stored(content)))
    assert clean.SOPInstanceUID == clean.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert (clean.StudyInstanceUID, clean.SeriesInstanceUID) == ("1.2", "1.3")
    assert (clean.Modality, clean.BodyPartExamined, clean.ViewPosition) == ("CR", "CHEST", "PA")
    assert clean.PatientOrientation == ["L", "F"]
    assert clean.ImageType == ["ORIGINAL", "PRIMARY"]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0},
        {"WindowCenter": [100, 2000], "WindowWidth": ["80.5", 3000], "VOILUTFunction": "SIGMOID"},
        {"RescaleSlope": "0.684", "RescaleIntercept": -200, "WindowCenter": 90, "WindowWidth": 99},
        {"VOILUTSequence": table([0, 100, 3000, 4095] * 50, bits=12)},
        {"ModalityLUTSequence": table([4095, 3000, 2000, 0] * 64, first=-5, vr="SS")},
    ],
)
def test_the_stored_file_looks_like_the_received_one(syntax, attributes):
    content = dicom_bytes(transfer_syntax=syntax, **attributes)
    clean = stored(content)
    np.testing.assert_array_equal(render(io.BytesIO(clean)), render(io.BytesIO(content)))
    assert inspect(io.BytesIO(clean)).header.warnings == []
    # Cleaned once more, nothing changes.
    assert stored(clean) == clean


def test_a_signed_file_keeps_its_padding():
    from .factories import chest_pixels

    pixels = chest_pixels(signed=True)
    content = dicom_bytes(
        pixels=pixels, bits_stored=12, PixelPaddingValue=-2048, PixelPaddingRangeLimit=-2000
    )
    clean = stored(content)
    assert dcmread(io.BytesIO(clean)).PixelPaddingValue == -2048
    np.testing.assert_array_equal(render(io.BytesIO(clean)), render(io.BytesIO(content)))


def test_a_view_known_by_its_code_alone_is_kept_as_a_word():
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "272479007", "SCT", MARKER
    clean = dcmread(io.BytesIO(stored(dicom_bytes(ViewPosition=None, ViewCodeSequence=[item]))))
    assert clean.ViewPosition == "PA"
    assert "ViewCodeSequence" not in clean


def test_what_trails_the_pixels_is_left_out():
    trailer = struct.pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 12) + MARKER.encode()
    assert MARKER.encode() not in stored(dicom_bytes() + trailer)


def test_a_stream_in_fragments_becomes_one():
    import imagecodecs

    from .factories import chest_pixels

    stream = imagecodecs.jpeg8_encode(chest_pixels(bits_stored=8), 95)
    marked = stream[:2] + b"\xff\xfe\x00\x0e" + MARKER.encode() + stream[2:]
    dataset = dicom_dataset(bits_stored=8, transfer_syntax=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([marked], fragments_per_frame=4)
    content = to_bytes(dataset)
    assert MARKER.encode() in content
    clean = stored(content)
    assert MARKER.encode() not in clean
    assert len(inspect(io.BytesIO(clean)).pixels.fragments) == 1
    np.testing.assert_array_equal(render(io.BytesIO(clean)), render(io.BytesIO(content)))
