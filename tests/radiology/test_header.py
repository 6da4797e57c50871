"""What the header says, which files can't be dated or identified, and the first bytes of a file."""

import datetime as dt
import io

import pytest
import time_machine
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit

from radiology.dicom.header import peek_header, read_header
from radiology.errors import (
    AcquisitionInFutureError,
    BirthDateAfterAcquisitionError,
    BitsUnsupportedError,
    ImpossibleDateError,
    InvalidUidError,
    MalformedError,
    MissingUidError,
    MultiFrameError,
    NotChestError,
    NotDicomError,
    NotGreyError,
    PhotometricUnsupportedError,
    PixelSizeMismatchError,
    TooFewPixelsError,
    TooManyPixelsError,
)

from .factories import dicom_bytes, dicom_dataset, to_bytes


def header(**attributes):
    return read_header(io.BytesIO(dicom_bytes(**attributes)))


def test_all_that_it_says():
    found = header(
        transfer_syntax=JPEGBaseline8Bit,
        SOPInstanceUID="1.2.3",
        SeriesInstanceUID="1.2",
        StudyInstanceUID="1.1",
        PatientBirthDate="19500102",
        PatientAge="074Y",
        PatientSex="F",
        AcquisitionDate="20240301",
        ViewPosition="AP",
    )
    assert found.sop_instance_uid == "1.2.3"
    assert found.series_instance_uid == "1.2"
    assert found.study_instance_uid == "1.1"
    assert found.sop_class_uid == "1.2.840.10008.5.1.4.1.1.1"
    assert found.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"
    assert (found.modality, found.body_part, found.view_position) == ("CR", "CHEST", "AP")
    assert found.photometric_interpretation == "MONOCHROME2"
    assert (found.rows, found.columns) == (256, 224)
    assert (found.bits_allocated, found.bits_stored) == (8, 8)
    assert found.patient_birth_date == dt.date(1950, 1, 2)
    assert found.patient_age_years == 74
    assert found.patient_sex == "F"
    assert found.acquired_on == dt.date(2024, 3, 1)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"AcquisitionDate": "20240301", "StudyDate": "20240302"}, dt.date(2024, 3, 1)),
        ({"AcquisitionDate": "", "StudyDate": "20240302"}, dt.date(2024, 3, 2)),
        (
            {
                "AcquisitionDate": None,
                "AcquisitionDateTime": "20240229101010.5+0100",
                "StudyDate": "20240302",
            },
            dt.date(2024, 2, 29),
        ),
        (
            {"AcquisitionDate": None, "StudyDate": "", "ContentDate": "20240303"},
            dt.date(2024, 3, 3),
        ),
        ({"AcquisitionDate": "2024.03.01"}, dt.date(2024, 3, 1)),
        # Placeholders and pseudonyms are no dates.
        ({"AcquisitionDate": None, "StudyDate": "19010101"}, None),
        ({"AcquisitionDate": None, "StudyDate": "19000101"}, None),
        ({"AcquisitionDate": "00000000", "StudyDate": None}, None),
        ({"AcquisitionDate": "c0ffee", "StudyDate": None}, None),
        ({"AcquisitionDate": None, "StudyDate": None}, None),
    ],
)
def test_by_which_date_a_radiograph_is_dated(attributes, expected):
    assert header(**attributes).acquired_on == expected


@pytest.mark.parametrize(
    ("age", "years"),
    [("049Y", 49), ("49", 49), ("011M", 0), ("030M", 2), ("006W", 0), ("400D", 1), ("", None)],
)
def test_ages_are_whole_years(age, years):
    assert header(PatientAge=age).patient_age_years == years


@pytest.mark.parametrize("value", ["f", "F"])
def test_sex_is_one_of_three_letters(value):
    assert header(PatientSex=value).patient_sex == "F"
    assert header(PatientSex="X").patient_sex == ""


def test_a_birth_date_that_is_a_pseudonym_is_no_birth_date():
    assert header(PatientBirthDate="d14a028c").patient_birth_date is None


@pytest.mark.parametrize("keyword", ["AcquisitionDate", "StudyDate", "PatientBirthDate"])
@pytest.mark.parametrize("value", ["20240230", "20241301", "19990000"])
def test_a_date_that_does_not_exist_is_refused(keyword, value):
    with pytest.raises(ImpossibleDateError) as caught:
        header(**{keyword: value})
    assert caught.value.params == {"attribute": keyword}


def test_dates_in_the_wrong_order_are_refused():
    with pytest.raises(BirthDateAfterAcquisitionError):
        header(PatientBirthDate="20240116", AcquisitionDate="20240115")
    assert header(PatientBirthDate="20240115", AcquisitionDate="20240115").acquired_on


@time_machine.travel("2024-01-13T12:00:00+00:00", tick=False)
def test_a_date_in_the_future_is_refused():
    with pytest.raises(AcquisitionInFutureError):
        header(AcquisitionDate="20240115")
    assert header(AcquisitionDate="20240114").acquired_on == dt.date(2024, 1, 14)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID"])
def test_a_file_must_identify_its_image(keyword):
    dataset = dicom_dataset()
    content = to_bytes(dataset)
    delattr(dataset, keyword)
    without = content[: content.index(b"\x08\x00\x05\x00")] + to_bytes(dataset, meta=False)
    with pytest.raises(MissingUidError) as caught:
        read_header(io.BytesIO(without))
    assert caught.value.params == {"attribute": keyword}


@pytest.mark.parametrize(
    "value", ["1.2.abc", "MARTIN", "1", "1..2", "1.2.", "1." * 40 + "1", "1.2\\3"]
)
def test_a_uid_must_be_one(value):
    content = dicom_bytes(SOPInstanceUID="1.2.3", transfer_syntax=ImplicitVRLittleEndian)
    padded = value.encode() + b"\0" * (len(value) % 2)
    tag = b"\x08\x00\x18\x00"
    content = content.replace(
        tag + b"\x06\x00\x00\x001.2.3\0", tag + len(padded).to_bytes(4, "little") + padded
    )
    with pytest.raises(InvalidUidError):
        read_header(io.BytesIO(content))


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"NumberOfFrames": 2}, MultiFrameError),
        ({"NumberOfFrames": 0}, MultiFrameError),
        ({"SamplesPerPixel": 3}, NotGreyError),
        ({"PhotometricInterpretation": "RGB"}, NotGreyError),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, NotGreyError),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, NotGreyError),
        ({"PhotometricInterpretation": "MONOCHROME3"}, PhotometricUnsupportedError),
        ({"PhotometricInterpretation": None}, PhotometricUnsupportedError),
        ({"BitsAllocated": 32}, BitsUnsupportedError),
        ({"BitsAllocated": 1}, BitsUnsupportedError),
        ({"BitsAllocated": 12}, BitsUnsupportedError),
        ({"BitsStored": 17}, BitsUnsupportedError),
        ({"BitsStored": 4}, BitsUnsupportedError),
        ({"HighBit": 15}, BitsUnsupportedError),
        ({"PixelRepresentation": 2}, MalformedError),
        ({"PixelRepresentation": None}, MalformedError),
        ({"Rows": None}, PixelSizeMismatchError),
        ({"Columns": 0}, PixelSizeMismatchError),
        ({"Rows": 63}, TooFewPixelsError),
        ({"Rows": 8193}, TooManyPixelsError),
        ({"Columns": 65535}, TooManyPixelsError),
    ],
)
def test_pixels_of_another_kind_are_refused(attributes, error):
    with pytest.raises(error):
        header(**attributes)


def test_one_frame_may_say_so():
    assert header(NumberOfFrames=1).rows == 256


def test_the_limits_of_the_settings_hold(settings):
    settings.RADIOGRAPH_MAX_SIDE = 255
    with pytest.raises(TooManyPixelsError) as caught:
        header()
    assert caught.value.params == {"rows": 256, "columns": 224, "limit": 255}


@pytest.mark.parametrize("size", [1024, 4096, 65536])
def test_the_first_bytes_give_the_same_header(size):
    content = dicom_bytes(PatientBirthDate="19500102", PatientSex="M")
    assert peek_header(io.BytesIO(content[:size])) == read_header(io.BytesIO(content))


def test_few_bytes_give_what_is_in_them():
    content = dicom_bytes(PatientBirthDate="19500102", PatientSex="M")
    cut = content.index(b"\x18\x00\x15\x00")  # Before the body part.
    found = peek_header(io.BytesIO(content[:cut]))
    assert (found.patient_sex, found.modality, found.rows) == ("M", "CR", 0)
    assert found.patient_birth_date == dt.date(1950, 1, 2)
    assert found.warnings == []


def test_first_bytes_of_something_else_are_refused():
    with pytest.raises(NotDicomError):
        peek_header(io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(100)))
    with pytest.raises(NotChestError):
        peek_header(io.BytesIO(dicom_bytes(BodyPartExamined="HAND")[:2000]))
