"""The one rule of what is a frontal chest radiograph: what refuses, what only flags."""

import io

import pytest
from pydicom import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EnhancedXAImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from radiology.dicom.header import read_header
from radiology.errors import (
    NotChestError,
    NotFrontalError,
    WrongModalityError,
    WrongSopClassError,
)

from .factories import dicom_bytes

CR = ComputedRadiographyImageStorage
DX = DigitalXRayImageStorageForPresentation
CAPTURE = SecondaryCaptureImageStorage


def header(**attributes):
    return read_header(io.BytesIO(dicom_bytes(**attributes)))


def codes(**attributes) -> list[str]:
    return [warning["code"] for warning in header(**attributes).warnings]


def code(value: str, scheme: str = "SCT") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "x"
    return [item]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"SOPClassUID": CR}, []),
        ({"SOPClassUID": DX, "Modality": "DX"}, []),
        ({"SOPClassUID": CAPTURE}, ["secondary_capture"]),
        ({"SOPClassUID": CAPTURE, "Modality": "OT"}, ["secondary_capture", "modality_unknown"]),
        ({"SOPClassUID": CAPTURE, "Modality": None}, ["secondary_capture", "modality_unknown"]),
        ({"BodyPartExamined": "THORAX"}, []),
        ({"BodyPartExamined": "chest "}, []),
        ({"BodyPartExamined": "CHEST_PA"}, []),
        ({"BodyPartExamined": None}, ["body_part_unknown"]),
        ({"BodyPartExamined": "DUPONT"}, ["body_part_unknown"]),
        ({"BodyPartExamined": "", "AnatomicRegionSequence": code("51185008")}, []),
        ({"BodyPartExamined": "", "AnatomicRegionSequence": code("T-D3000", "SRT")}, []),
        (
            {"BodyPartExamined": "", "AnatomicRegionSequence": code("51185008", "PRIVATE")},
            ["body_part_unknown"],
        ),
        ({"ViewPosition": "AP"}, []),
        ({"ViewPosition": "pa"}, []),
        ({"ViewPosition": None}, ["view_unknown"]),
        ({"ViewPosition": "OBLIQUE?"}, ["view_unknown"]),
        ({"ViewPosition": "RLD"}, ["view_unknown"]),
        ({"ViewPosition": None, "ViewCodeSequence": code("272479007")}, []),
        ({"ViewPosition": None, "ViewCodeSequence": code("R-10206", "SRT")}, []),
        ({"ViewPosition": None, "ViewCodeSequence": code("1", "SCT")}, ["view_unknown"]),
        ({"BurnedInAnnotation": "YES"}, ["burned_in_annotation"]),
        ({"BurnedInAnnotation": "NO"}, []),
    ],
)
def test_accepted_with_flags(attributes, expected):
    assert codes(**attributes) == expected


def test_the_view_that_is_flagged_is_named_only_when_it_is_a_known_word():
    assert header(ViewPosition="LLD").warnings == [{"code": "view_unknown", "view": "LLD"}]
    assert header(ViewPosition="MARTIN JEAN").warnings == [{"code": "view_unknown"}]
    assert header(ViewPosition="MARTIN JEAN").view_position == ""


@pytest.mark.parametrize(
    ("attributes", "error", "found"),
    [
        ({"SOPClassUID": CTImageStorage}, WrongSopClassError, "CT Image Storage"),
        (
            {"SOPClassUID": DigitalXRayImageStorageForProcessing},
            WrongSopClassError,
            "Digital X-Ray Image Storage - For Processing",
        ),
        (
            {"SOPClassUID": MultiFrameGrayscaleByteSecondaryCaptureImageStorage},
            WrongSopClassError,
            "Multi-frame Grayscale Byte Secondary Capture Image Storage",
        ),
        (
            {"SOPClassUID": EnhancedXAImageStorage},
            WrongSopClassError,
            "Enhanced XA Image Storage",
        ),
        ({"SOPClassUID": "1.2.3.4"}, WrongSopClassError, "?"),
        ({"Modality": "MG"}, WrongModalityError, "MG"),
        ({"Modality": None}, WrongModalityError, "?"),
        ({"Modality": "OT"}, WrongModalityError, "OT"),
        ({"SOPClassUID": CAPTURE, "Modality": "CT"}, WrongModalityError, "CT"),
        ({"Modality": "MARTIN JEAN"}, WrongModalityError, "?"),
        ({"BodyPartExamined": "EXTREMITY"}, NotChestError, "EXTREMITY"),
        ({"BodyPartExamined": "HAND"}, NotChestError, "HAND"),
        ({"BodyPartExamined": "CSPINE"}, NotChestError, "SPINE"),
        ({"BodyPartExamined": "THORACIC SPINE"}, NotChestError, "SPINE"),
        ({"ViewPosition": "LL"}, NotFrontalError, "LL"),
        ({"ViewPosition": "RLO"}, NotFrontalError, "RLO"),
        ({"ViewPosition": "LATERAL"}, NotFrontalError, "LATERAL"),
        ({"ViewPosition": "", "ViewCodeSequence": code("399067008")}, NotFrontalError, "LATERAL"),
        ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, NotFrontalError, "LATERAL"),
        ({"ViewPosition": "", "PatientOrientation": ["P", "F"]}, NotFrontalError, "LATERAL"),
    ],
)
def test_refused(attributes, error, found):
    with pytest.raises(error) as caught:
        header(**attributes)
    assert caught.value.params == {"found": found}
    assert caught.value.status == 400


def test_a_view_that_is_given_wins_over_the_orientation():
    assert codes(ViewPosition="PA", PatientOrientation=["A", "F"]) == []
