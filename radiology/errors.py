"""Why a file is refused; see :mod:`pneumoniapp.errors`. The sentences speak to a doctor."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError, RetriableError


class RadiographError(PermanentError):
    """A file that can't become a radiograph, or a radiograph that can't be shown."""


# --- The file as a whole ------------------------------------------------------------------


class EmptyFileError(RadiographError):
    code = "empty_file"
    sentence = _("The file is empty.")


class FileTooLargeError(RadiographError):
    """``limit`` in MiB."""

    code = "too_large"
    status = 413
    sentence = _("The file is larger than the %(limit)s MiB allowed.")


class NotDicomError(RadiographError):
    code = "not_dicom"
    sentence = _(
        "This is not a DICOM file. Send the radiograph as a DICOM file exported from the "
        "imaging system, not as a picture or a document."
    )


class DicomDirectoryError(RadiographError):
    """A DICOMDIR: the table of contents of a medium (PS3.3, annex F)."""

    code = "dicom_directory"
    sentence = _(
        "This is the table of contents of a DICOM medium (DICOMDIR). It holds no image; the "
        "images are files of their own."
    )


class MalformedError(RadiographError):
    code = "malformed"
    sentence = _(
        "This DICOM file is damaged or badly written: its structure can't be followed. "
        "Export it again from the imaging system."
    )


class TruncatedError(RadiographError):
    code = "truncated"
    sentence = _("The file is incomplete: its end is missing. Export or send it again.")


class DeflateRatioError(RadiographError):
    """A compressed data set that grows beyond the limit."""

    code = "deflate_ratio"
    sentence = _("The compressed file unpacks to far more than a radiograph can hold.")


# --- What kind of object it is ------------------------------------------------------------


class WrongSopClassError(RadiographError):
    """``found``: the name of the SOP class."""

    code = "wrong_sop_class"
    sentence = _(
        "This DICOM file is not a plain radiograph (it is: %(found)s). Accepted are CR, DX for "
        "presentation and secondary capture images."
    )


class WrongModalityError(RadiographError):
    """``found``: the value of Modality (0008,0060)."""

    code = "wrong_modality"
    sentence = _("This is not a plain radiograph: its modality is %(found)s.")


class NotChestError(RadiographError):
    """``found``: the body part that the file names."""

    code = "not_chest"
    sentence = _("This is not a chest radiograph: the file names the body part %(found)s.")


class NotFrontalError(RadiographError):
    """``found``: the view that the file names."""

    code = "not_frontal"
    sentence = _(
        "This is not a frontal view (the file says: %(found)s). Only postero-anterior (PA) and "
        "antero-posterior (AP) chest radiographs can be read."
    )


class MultiFrameError(RadiographError):
    """``frames``: their number."""

    code = "multi_frame"
    sentence = _("The file holds %(frames)s images. Send each radiograph as a file of its own.")


class MissingUidError(RadiographError):
    """``attribute``: the name of the missing UID."""

    code = "missing_uid"
    sentence = _("The file does not identify its image: %(attribute)s is missing.")


class InvalidUidError(RadiographError):
    """``attribute``: the name of the UID that isn't one."""

    code = "invalid_uid"
    sentence = _("The file does not identify its image: %(attribute)s is not valid.")


# --- Its pixels ---------------------------------------------------------------------------


class TransferSyntaxUnsupportedError(RadiographError):
    """``found``: the name of the transfer syntax."""

    code = "transfer_syntax_unsupported"
    sentence = _(
        "The way the image is compressed is not supported (%(found)s). Export it uncompressed "
        "or with lossless JPEG."
    )


class NotGreyError(RadiographError):
    code = "not_grey"
    sentence = _("This is a colour image. A radiograph has one channel of grey.")


class PhotometricUnsupportedError(RadiographError):
    """``found``: the value of Photometric Interpretation (0028,0004)."""

    code = "photometric_unsupported"
    sentence = _(
        "The file does not say in a supported way whether black or white is low "
        "(photometric interpretation: %(found)s)."
    )


class BitsUnsupportedError(RadiographError):
    """``allocated`` and ``stored``: bits for each pixel."""

    code = "bits_unsupported"
    sentence = _(
        "Images with %(stored)s bits stored in %(allocated)s are not supported (8 to 16 bits are)."
    )


class NoPixelsError(RadiographError):
    code = "no_pixels"
    sentence = _("The file holds no image.")


class PixelSizeMismatchError(RadiographError):
    code = "pixel_size_mismatch"
    sentence = _(
        "The image in the file does not have the size that the file announces. Export it again."
    )


class TooManyPixelsError(RadiographError):
    """``rows``, ``columns``: of the file; ``limit``: the longest side allowed."""

    code = "too_many_pixels"
    sentence = _(
        "The image has %(columns)s x %(rows)s pixels; at most %(limit)s x %(limit)s are allowed."
    )


class TooFewPixelsError(RadiographError):
    """``rows``, ``columns``: of the file; ``limit``: the shortest side allowed."""

    code = "too_few_pixels"
    sentence = _(
        "The image has only %(columns)s x %(rows)s pixels: too small to be read "
        "(at least %(limit)s x %(limit)s)."
    )


class UndecodableError(RadiographError):
    code = "undecodable"
    sentence = _("The image in the file can't be decoded: it is damaged. Export it again.")


class DecoderDiedError(RadiographError):
    """The process that decodes ended itself over this file; see ``radiology.dicom.limited``."""

    code = "decoder_died"
    sentence = _(
        "The image in the file can't be decoded: the decoder broke down on it. Export it again, "
        "uncompressed or with lossless JPEG."
    )


class DecodingTooCostlyError(RadiographError):
    """More memory or time of a processor than any radiograph needs."""

    code = "decoding_too_costly"
    sentence = _(
        "Decoding the image in the file takes more time or memory than a radiograph needs. "
        "Export it again, uncompressed or with lossless JPEG."
    )


class DecodingInterruptedError(RetriableError):
    """The process that decodes was stopped from outside, or the machine is too busy for it."""

    code = "decoding_interrupted"
    sentence = _("Decoding the image was interrupted or took too long. Try again.")


class BlankImageError(RadiographError):
    """Found after decoding; see ``radiology.dicom.grey.check_contrast``."""

    code = "blank_image"
    sentence = _(
        "The image is blank: nearly all of it is of one grey, so there is nothing to read. "
        "Check the export from the imaging system."
    )


# --- Its dates ----------------------------------------------------------------------------


class ImpossibleDateError(RadiographError):
    """``attribute``: the name of the date."""

    code = "impossible_date"
    sentence = _("The file holds a date that does not exist (%(attribute)s).")


class BirthDateAfterAcquisitionError(RadiographError):
    code = "birth_date_after_acquisition"
    sentence = _(
        "The radiograph is older than the patient: check the birth date and the date of the "
        "radiograph."
    )


class AcquisitionInFutureError(RadiographError):
    code = "acquisition_in_future"
    sentence = _("The date of the radiograph lies in the future.")


class AcquiredOnMissingError(RadiographError):
    code = "acquired_on_missing"
    sentence = _("The file does not say when the radiograph was taken: give its date.")


# --- What is there already ----------------------------------------------------------------


class SopInstanceUidConflictError(RadiographError):
    code = "sop_instance_uid_conflict"
    status = 409
    sentence = _(
        "Another image with the same identification (SOP Instance UID) is stored already, with "
        "other pixels. Nothing was changed."
    )


class PatientMismatchError(RadiographError):
    """``entries`` say in what, as those of ``Radiograph.warnings`` do; they are not logged."""

    code = "patient_mismatch"
    status = 422
    sentence = _(
        "The file gives another birth date, sex or age than the patient has. Make sure that it is "
        "this patient's, confirm it, and send it again. Nothing was stored."
    )
    entries: tuple[dict, ...] = ()
    in_words: ClassVar[dict[str, tuple[str, Promise]]] = {
        "age_mismatch": ("birth_date", _("The file says another age.")),
        "birth_date_mismatch": ("birth_date", _("The file gives another birth date.")),
        "sex_mismatch": ("sex", _("The file gives another sex.")),
    }

    @property
    def fields(self) -> dict[str, list[dict[str, str]]]:
        named: dict[str, list[dict[str, str]]] = {}
        for code in (entry["code"] for entry in self.entries):
            field, sentence = self.in_words[code]
            named.setdefault(field, []).append({"code": code, "detail": str(sentence)})
        return named


class RadiographOfAnotherPatientError(RadiographError):
    code = "radiograph_of_another_patient"
    status = 409
    sentence = _(
        "This radiograph is stored already, for another of your patients. Nothing was changed."
    )


class StorageUnavailableError(RetriableError):
    """The storage of files does not take or give one at the moment."""

    code = "storage_unavailable"
    sentence = _("The storage of files does not answer at the moment. Try again.")
