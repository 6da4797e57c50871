"""Why a patient is refused."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class PatientExistsError(PermanentError):
    code = "patient_exists"
    status = 409
    sentence = _("You have a patient with this identifier already.")


class PatientConflictError(PermanentError):
    code = "patient_conflict"
    status = 409
    sentence = _(
        "You have a patient with this identifier whose sex or birth date is different. "
        "Correct the patient first, or send the right values."
    )


class PatientErasedError(PermanentError):
    """Between the look at the patient and the writing, somebody erased them."""

    code = "patient_erased"
    status = 404
    sentence = _("This patient has been erased meanwhile. Nothing was stored.")


class BirthDateInFutureError(PermanentError):
    code = "birth_date_in_future"
    sentence = _("A birth date can't be in the future.")


class BirthDateTooEarlyError(PermanentError):
    code = "birth_date_too_early"
    sentence = _("A birth date before %(year)s is not plausible.")


class BirthDateAfterRadiographError(PermanentError):
    code = "birth_date_after_radiograph"
    sentence = _(
        "The radiograph is older than the patient: check the birth date and the date of the "
        "radiograph."
    )


class ErasureOpenError(PermanentError):
    code = "erasure_open"
    status = 409
    sentence = _("The erasure of this patient is asked for already.")


class ErasureDecidedError(PermanentError):
    code = "erasure_decided"
    status = 409
    sentence = _("This request was decided already.")


class ErasureReasonError(PermanentError):
    code = "erasure_reason"
    sentence = _("Say why.")


class IdentifierOfOwnerError(PermanentError):
    code = "identifier_of_owner"
    status = 403
    sentence = _("Only the patient's own doctor changes the identifier: it is of their records.")


class PracticePatientsError(PermanentError):
    """Raised where the last member of a practice would leave."""

    code = "practice_patients"
    status = 409
    sentence = _(
        "The practice's programs have recorded patients or radiographs that you have too, under "
        "the same identifiers: they can't become yours as they are. Compare them, and have one of "
        "each erased before you leave."
    )


class NoPracticeError(PermanentError):
    code = "no_practice"
    status = 409
    sentence = _("You belong to no practice with which the patient could be shared.")


class EmergencyReasonError(PermanentError):
    code = "emergency_reason"
    sentence = _("Say what the emergency access is for.")


class EmergencyUnknownError(PermanentError):
    code = "emergency_unknown"
    status = 404
    sentence = _("This colleague has no patient with this identifier and birth date.")


class EmergencyTriesError(PermanentError):
    code = "emergency_tries"
    status = 429
    sentence = _("Too many tries. Wait an hour, or call the patient's doctor.")


class TreatmentEndedError(PermanentError):
    """The practice, the role or the sharing ended while the request was on its way."""

    code = "treatment_ended"
    status = 404
    sentence = _("This patient is no longer open to you: nothing was changed.")
