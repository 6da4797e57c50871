"""Receiving a radiograph: what is stored, what is compared, what is the same, what is undone."""

import datetime as dt
import hashlib
import io

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import override_settings
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from operations.models import AccessEvent
from radiology.errors import (
    AcquiredOnMissingError,
    AcquisitionInFutureError,
    BirthDateAfterAcquisitionError,
    FileTooLargeError,
    NotDicomError,
    PatientMismatchError,
    RadiographOfAnotherPatientError,
    SopInstanceUidConflictError,
    StorageUnavailableError,
)
from radiology.intake import examine
from radiology.models import Radiograph
from radiology.services import files_removed_on_failure, radiograph_stored
from radiology.warnings import OF_THE_PATIENT
from tests.accounts.factories import DoctorFactory
from tests.patients.factories import PatientFactory

from .factories import chest_pixels, dicom_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient():
    return PatientFactory(sex="F", birth_date=dt.date(1950, 1, 2))


def receive_file(patient, file, **arguments) -> tuple[Radiograph, bool]:
    stored = radiograph_stored(patient=patient, uploaded_by=patient.owner, file=file, **arguments)
    with stored as outcome:
        return outcome


def receive(patient, content: bytes, **arguments) -> tuple[Radiograph, bool]:
    return receive_file(patient, io.BytesIO(content), **arguments)


def files(settings) -> list[str]:
    """Every file under the media folder."""
    from pathlib import Path

    root = Path(settings.MEDIA_ROOT)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_radiograph_is_stored_with_its_facts(patient, settings):
    content = dicom_bytes(
        transfer_syntax=JPEGBaseline8Bit,
        SOPInstanceUID="1.2.3",
        StudyInstanceUID="1.1",
        SeriesInstanceUID="1.2",
        PatientBirthDate="19500102",
        PatientSex="F",
    )
    radiograph, created = receive(patient, content)
    assert created
    radiograph.refresh_from_db()
    assert radiograph.patient == patient
    assert radiograph.owner == radiograph.uploaded_by == patient.owner
    assert radiograph.acquired_on == dt.date(2024, 1, 15)
    assert radiograph.sop_instance_uid == "1.2.3"
    assert (radiograph.study_instance_uid, radiograph.series_instance_uid) == ("1.1", "1.2")
    assert radiograph.sop_class_uid == "1.2.840.10008.5.1.4.1.1.1"
    assert radiograph.transfer_syntax_uid == JPEGBaseline8Bit
    assert (radiograph.modality, radiograph.view_position) == ("CR", "PA")
    assert (radiograph.rows, radiograph.columns, radiograph.bits_stored) == (256, 224, 8)
    assert radiograph.photometric_interpretation == "MONOCHROME2"
    assert radiograph.warnings == []
    assert radiograph.sha256 == hashlib.sha256(content).hexdigest()
    assert radiograph.size == len(content)
    pixels = dcmread(io.BytesIO(content)).PixelData
    assert radiograph.pixel_sha256 == hashlib.sha256(pixels).hexdigest()
    assert files(settings) == [radiograph.file.name]
    assert radiograph.file.name == f"radiographs/{radiograph.pk.hex[-2:]}/{radiograph.pk}/image.dcm"
    with radiograph.file.open() as file:
        stored = dcmread(file)
    assert stored.SOPInstanceUID == "1.2.3"
    assert not stored.PatientName
    assert "19500102" not in str(stored)


def test_the_upload_is_recorded(patient):
    radiograph, _ = receive(patient, dicom_bytes())
    event = AccessEvent.objects.get(object_id=str(radiograph.pk))
    assert (event.action, event.actor_id) == ("create", patient.owner_id)
    assert event.object_type == "radiology.radiograph"


def test_an_uploaded_file_of_django_is_taken(patient):
    content = dicom_bytes(transfer_syntax=DeflatedExplicitVRLittleEndian)
    upload = SimpleUploadedFile("MARTIN Jean.dcm", content)
    radiograph, created = receive_file(patient, upload)
    assert created
    assert "MARTIN" not in radiograph.file.name
    with radiograph.file.open() as file:
        assert dcmread(file).pixel_array.shape == (256, 224)


def test_a_large_file_goes_over_the_disk(patient, monkeypatch):
    monkeypatch.setattr("radiology.services.SPOOL", 1000)
    radiograph, _ = receive(patient, dicom_bytes())
    with radiograph.file.open() as file:
        assert dcmread(file).pixel_array.shape == (256, 224)


def test_the_same_file_again_is_the_same_radiograph(patient, settings):
    content = dicom_bytes()
    first, created = receive(patient, content)
    again, created_again = receive(patient, content)
    assert (created, created_again) == (True, False)
    assert again == first
    assert Radiograph.objects.count() == 1
    assert len(files(settings)) == 1
    # Whatever is said about its date: the radiograph that is there is shown.
    assert receive(patient, content, acquired_on=dt.date(2020, 1, 1)) == (first, False)
    first.refresh_from_db()
    assert first.acquired_on == dt.date(2024, 1, 15)


def test_the_same_image_in_another_file_is_the_same_radiograph(patient):
    first, _ = receive(patient, dicom_bytes(SOPInstanceUID="1.2.3"))
    again, created = receive(patient, dicom_bytes(SOPInstanceUID="1.2.3", StationName="OTHER"))
    assert (again, created) == (first, False)


def test_the_same_uid_with_other_pixels_is_refused(patient, settings):
    receive(patient, dicom_bytes(SOPInstanceUID="1.2.3"))
    before = files(settings)
    with pytest.raises(SopInstanceUidConflictError) as caught:
        receive(patient, dicom_bytes(SOPInstanceUID="1.2.3", seed=1))
    assert caught.value.status == 409
    assert files(settings) == before
    assert Radiograph.objects.count() == 1


def test_the_radiograph_of_another_patient_is_refused(patient):
    content = dicom_bytes()
    receive(patient, content)
    with pytest.raises(RadiographOfAnotherPatientError) as caught:
        receive(PatientFactory(owner=patient.owner), content)
    assert caught.value.status == 409


def test_another_doctor_may_have_the_same_radiograph(patient):
    content = dicom_bytes()
    first, _ = receive(patient, content)
    other, created = receive(PatientFactory(owner=DoctorFactory()), content)
    assert created
    assert other.pk != first.pk


class Overtaken(io.BytesIO):
    """A file that, once it was examined, is stored by somebody else just before us."""

    overtake = None

    def seek(self, *arguments):
        if self.overtake and self.examined:
            overtake, self.overtake = self.overtake, None
            overtake()
        return super().seek(*arguments)

    examined = False


@pytest.mark.parametrize("outer", [False, True])
def test_two_at_the_same_moment_become_one(patient, settings, outer):
    """The other one's row is there after we looked and before we write."""
    content = dicom_bytes(rows=1100, columns=1000)  # More than is read at once.
    file = Overtaken(content)
    incoming = examine(file)
    file.overtake, file.examined = lambda: receive(patient, content), True
    if outer:
        with files_removed_on_failure(), transaction.atomic():
            radiograph, created = receive_file(patient, incoming)
            assert PatientFactory().pk  # The caller's transaction is still usable.
    else:
        radiograph, created = receive_file(patient, incoming)
    assert file.overtake is None
    assert not created
    assert Radiograph.objects.get() == radiograph
    assert files(settings) == [radiograph.file.name]


def receive_and_fail(patient) -> None:
    with files_removed_on_failure(), transaction.atomic():
        radiograph, _ = receive(patient, dicom_bytes())
        assert radiograph.file.storage.exists(radiograph.file.name)
        raise RuntimeError


def test_a_failed_outer_transaction_leaves_no_file(patient, settings):
    with pytest.raises(RuntimeError):
        receive_and_fail(patient)
    assert files(settings) == []
    assert not Radiograph.objects.exists()


def test_one_failure_among_many_takes_its_own_file_only(patient, settings):
    with files_removed_on_failure():
        kept, _ = receive(patient, dicom_bytes())
        with pytest.raises(RuntimeError):
            receive_and_fail(patient)
    assert files(settings) == [kept.file.name]
    assert Radiograph.objects.get() == kept


class FullDisk(FileSystemStorage):
    """Takes the first bytes and then no more."""

    def _save(self, name, content):
        super()._save(name, ContentFile(b"the first bytes"))
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_neither_row_nor_file(patient, settings):
    storages = settings.STORAGES | {
        "default": {"BACKEND": "tests.radiology.test_services.FullDisk"}
    }
    with override_settings(STORAGES=storages), pytest.raises(StorageUnavailableError) as caught:
        receive(patient, dicom_bytes())
    assert caught.value.status == 503
    assert files(settings) == []
    assert not Radiograph.objects.exists()
    assert not AccessEvent.objects.exists()


def test_a_full_temporary_folder_is_the_storage_s_fault(patient, settings, small_disk):
    content = dicom_bytes(rows=2200, columns=2000)  # more than is kept in memory
    with pytest.raises(StorageUnavailableError):
        receive(patient, content)
    assert files(settings) == []
    assert not Radiograph.objects.exists()


def test_a_refused_file_leaves_nothing(patient, settings):
    for content, error in ((b"no dicom" * 30, NotDicomError), (dicom_bytes(), FileTooLargeError)):
        settings.RADIOGRAPH_MAX_BYTES = 1000
        with pytest.raises(error):
            receive(patient, content)
    assert files(settings) == []
    assert not Radiograph.objects.exists()


def test_the_doctor_gives_the_date_where_the_file_has_none(patient):
    content = dicom_bytes(AcquisitionDate=None, StudyDate="19010101")
    with pytest.raises(AcquiredOnMissingError):
        receive(patient, content)
    radiograph, _ = receive(patient, content, acquired_on=dt.date(2023, 5, 6))
    assert radiograph.acquired_on == dt.date(2023, 5, 6)
    assert radiograph.warnings == []


@time_machine.travel("2024-01-13T12:00:00+00:00", tick=False)
def test_dates_that_can_not_be(patient):
    content = dicom_bytes(AcquisitionDate="20240110")
    with pytest.raises(AcquisitionInFutureError):
        receive(patient, content, acquired_on=dt.date(2024, 1, 14))
    with pytest.raises(BirthDateAfterAcquisitionError):
        receive(patient, content, acquired_on=dt.date(1950, 1, 1))
    unborn = PatientFactory(birth_date=dt.date(2024, 1, 11))
    with pytest.raises(BirthDateAfterAcquisitionError):
        receive(unborn, content)
    assert receive(patient, content, acquired_on=dt.date(2024, 1, 13))[1]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PatientBirthDate": "19500102", "PatientSex": "F", "PatientAge": "010Y"}, []),
        (
            {"PatientBirthDate": "19500103"},
            [{"code": "birth_date_mismatch", "file": "1950-01-03", "given": "1950-01-02"}],
        ),
        ({"PatientSex": "M"}, [{"code": "sex_mismatch", "file": "M", "given": "F"}]),
        ({"PatientAge": "074Y"}, []),
        ({"PatientAge": "75"}, []),
        ({"PatientAge": "073Y"}, []),
        ({"PatientAge": "072Y"}, [{"code": "age_mismatch", "file": 72, "given": 74}]),
        ({"PatientAge": "006M"}, [{"code": "age_mismatch", "file": 0, "given": 74}]),
        (
            {"ViewPosition": None, "PatientSex": "M"},
            [{"code": "view_unknown"}, {"code": "sex_mismatch", "file": "M", "given": "F"}],
        ),
    ],
)
def test_what_disagrees_is_shown_and_nothing_is_changed(patient, attributes, expected):
    if any(entry["code"] in OF_THE_PATIENT for entry in expected):
        with pytest.raises(PatientMismatchError) as refused:
            receive(patient, dicom_bytes(**attributes))
        assert not Radiograph.objects.exists()
        assert not refused.value.params, "no clinical value where it may be logged"
    radiograph, _ = receive(patient, dicom_bytes(**attributes), confirm_mismatch=True)
    radiograph.refresh_from_db()
    assert radiograph.warnings == expected
    patient.refresh_from_db()
    assert (patient.sex, patient.birth_date) == ("F", dt.date(1950, 1, 2))


def test_another_date_than_the_files_is_shown(patient):
    radiograph, _ = receive(patient, dicom_bytes(), acquired_on=dt.date(2024, 1, 14))
    assert radiograph.acquired_on == dt.date(2024, 1, 14)
    assert radiograph.warnings == [
        {"code": "acquired_on_mismatch", "file": "2024-01-15", "given": "2024-01-14"}
    ]


def test_how_many_queries_an_upload_takes(patient, django_assert_num_queries):
    # Look, savepoint, patient, savepoint, row, release, record, release.
    with django_assert_num_queries(8):
        receive(patient, dicom_bytes(transfer_syntax=RLELossless, pixels=chest_pixels()))
