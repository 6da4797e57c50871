"""What can go wrong with a reading or a model version; see :mod:`pneumoniapp.errors`."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError, RetriableError


class AnalysisInProgressError(PermanentError):
    """A new analysis was asked for while the current one is not finished."""

    code = "analysis_in_progress"
    status = 409
    sentence = _("This radiograph is being read already.")


class AnalysisNotRetriableError(PermanentError):
    """Only a failed analysis goes back to the queue."""

    code = "analysis_not_retriable"
    status = 409
    sentence = _("Only a reading that failed can be started again.")


class AnalysisNotDoneError(PermanentError):
    """A review needs a finished reading."""

    code = "analysis_not_done"
    status = 409
    sentence = _("This radiograph has no reading yet.")


class ReviewLabelMissingError(PermanentError):
    """An approval of a reading that names no class, or several."""

    code = "review_label_missing"
    status = 400
    sentence = _("This reading does not name one class: say which one you see.")


class ReviewLabelMismatchError(PermanentError):
    """An approval names the reading's own class, a contest another one."""

    code = "review_label_mismatch"
    status = 409
    sentence = _(
        "To approve a reading, give its own class; to contest it, choose one of the other classes."
    )


class ReadingWithheldError(PermanentError):
    """The doctor reads first: what the model says comes after their own class."""

    code = "reading_withheld"
    status = 409
    sentence = _("You read first: the reading is shown once you have recorded your own class.")


class ReadingShownError(PermanentError):
    """A class of one's own comes before the reading, or not at all."""

    code = "reading_shown"
    status = 409
    sentence = _("You see this reading already: approve or contest it.")


class NothingToDecideError(PermanentError):
    """Decisions are for readings on which doctors differ."""

    code = "nothing_to_decide"
    status = 409
    sentence = _("The doctors do not differ on this reading, or it is decided already.")


class ReviewReasonMissingError(PermanentError):
    """Who contests a reading says why."""

    code = "review_reason_missing"
    sentence = _("Say why you contest the reading: choose a reason.")
    field = "reason"


class ReviewReasonUnexpectedError(PermanentError):
    """Reasons are for contesting."""

    code = "review_reason_unexpected"
    sentence = _("To approve a reading, give no reason.")
    field = "reason"


class ReviewReasonMismatchError(PermanentError):
    """The classes say whether an opacity was missed, or named where there is none."""

    code = "review_reason_mismatch"
    status = 409
    sentence = _("This reason does not fit the two classes: choose another reason or class.")
    field = "reason"


class ReviewRegionInvalidError(PermanentError):
    """A rectangle within the image, by its shares."""

    code = "review_region_invalid"
    status = 409
    sentence = _("The region is no rectangle within the image: mark it again, or remove it.")
    field = "region"


class ReviewRegionUnexpectedError(PermanentError):
    """Regions show what is contested."""

    code = "review_region_unexpected"
    status = 409
    sentence = _("To approve a reading, mark no region.")
    field = "region"


class ReviewCommentMissingError(PermanentError):
    """“Other” alone says nothing."""

    code = "review_comment_missing"
    sentence = _("Say in the comment what the other reason is.")
    field = "comment"


class ReportFailedError(PermanentError):
    """The maker of PDF refused what a report says."""

    code = "report_failed"
    status = 500
    sentence = _("The report could not be made. The reading itself is safe.")


class AnalysisInterruptedError(PermanentError):
    """The worker was lost in every attempt."""

    code = "analysis_interrupted"
    status = 500
    sentence = _("The reading was interrupted %(attempts)s times and has been given up.")


class AnalysisTimedOutError(RetriableError):
    """The soft time limit passed; another attempt may meet a less busy machine."""

    code = "analysis_timed_out"
    sentence = _("The reading took longer than %(seconds)s seconds.")


class ReadingStorageError(RetriableError):
    """The file storage cannot give the radiograph or take the results."""

    code = "reading_storage_error"
    sentence = _("The file storage did not answer. The reading can be started again.")


class NoModelInProductionError(RetriableError):
    """Nothing reads radiographs until an administrator promotes a version."""

    code = "no_model_in_production"
    sentence = _("No model is in production. An administrator must promote one.")


class ModelUnusableError(RetriableError):
    """The weights on this machine are missing, damaged or made for another program version."""

    code = "model_unusable"
    sentence = _("The model in production cannot be loaded: %(reason)s.")


class ModelFolderInvalidError(PermanentError):
    """A folder offered for registration is not a complete model folder."""

    code = "model_folder_invalid"
    sentence = _("This is not a valid model folder: %(reason)s.")


class ModelVersionConflictError(PermanentError):
    """The name and version are taken by other content."""

    code = "model_version_conflict"
    status = 409
    sentence = _("%(version)s is registered already with other content. Give it a new version.")


class ModelVersionUnknownError(PermanentError):
    code = "model_version_unknown"
    status = 404
    sentence = _("There is no model version %(version)s.")


class AlreadyInProductionError(PermanentError):
    code = "model_already_in_production"
    status = 409
    sentence = _("%(version)s is in production already.")


class NoPreviousVersionError(PermanentError):
    code = "no_previous_model_version"
    status = 409
    sentence = _("There is no earlier version to go back to.")


class ImageUnreadableError(PermanentError):
    code = "image_unreadable"
    sentence = _("The file is missing, or it is no image that can be read.")


class LabelsInvalidError(PermanentError):
    """The CSV of labelled files that a model is to be evaluated on."""

    code = "labels_invalid"
    sentence = _("The labels cannot be used: %(reason)s.")


class NothingEvaluatedError(PermanentError):
    code = "nothing_evaluated"
    sentence = _("None of the %(files)s files could be read, so there is no figure.")


class FileHeadInvalidError(PermanentError):
    """A look into a chosen file without its first bytes, or with more than those."""

    code = "file_head_invalid"
    sentence = _("Send the first %(bytes)s bytes of one file, no more.")
