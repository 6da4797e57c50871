"""What may go wrong with an account, beside a form's own sentences."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class InvalidCredentialsError(PermanentError):
    code = "invalid_credentials"
    status = 401
    sentence = _("The e-mail address or the password is wrong.")


class TooManyAttemptsError(PermanentError):
    code = "too_many_attempts"
    status = 429
    sentence = _("Too many failed attempts. Wait a few minutes before you try again.")


class EmailNotConfirmedError(PermanentError):
    code = "email_not_confirmed"
    status = 403
    sentence = _("The e-mail address of this account has not been confirmed yet.")


class AccountInactiveError(PermanentError):
    code = "account_inactive"
    status = 403
    sentence = _("This account is closed.")


class AccountPendingError(PermanentError):
    code = "account_pending"
    status = 403
    sentence = _("An administrator has not verified this account yet.")


class AccountSuspendedError(PermanentError):
    code = "account_suspended"
    status = 403
    sentence = _("This account is suspended.")


class AccountRefusedError(PermanentError):
    code = "account_refused"
    status = 403
    sentence = _("The verification of this account was refused.")


class AccountExpiredError(PermanentError):
    code = "account_expired"
    status = 403
    sentence = _("The verification of this account has ended and must be renewed.")


class VerificationStateError(PermanentError):
    code = "verification_state"
    status = 409
    sentence = _("This account is not in a state in which that can be done.")


class VerificationNameChangedError(PermanentError):
    """Another name than the one that was looked at must not be verified unseen."""

    code = "verification_name_changed"
    status = 409
    sentence = _("The doctor has changed their name meanwhile. Look again, then decide.")


class VerificationReasonMissingError(PermanentError):
    code = "verification_reason_missing"
    status = 422
    sentence = _("Say why: the doctor reads it.")


class ProofKindError(PermanentError):
    code = "proof_kind"
    status = 422
    sentence = _("Send a PDF document, or a picture (JPEG or PNG).")


class ProofTooLargeError(PermanentError):
    code = "proof_too_large"
    status = 413
    sentence = _("The document is larger than %(mebibytes)s MiB.")


class DirectoryShrunkError(PermanentError):
    code = "directory_shrunk"
    status = 422
    sentence = _(
        "This file has %(count)s people, the directory in use %(before)s: it may have been cut "
        "off. If it is right, import it with --shrink."
    )


class DirectoryFileError(PermanentError):
    code = "directory_file"
    status = 422
    sentence = _(
        "This file is no directory: it needs a heading with the columns registration_number, "
        "last_name and first_name (or those of the French national extract), and UTF-8 text."
    )


class LastAdministratorError(PermanentError):
    code = "last_administrator"
    status = 409
    sentence = _("Nobody else has every right: give them to somebody else first.")


class SecondFactorUnreadableError(PermanentError):
    code = "second_factor_unreadable"
    status = 503
    sentence = _(
        "The second factor of this account can't be read: SECRET_KEY was changed without keeping "
        "the old one in SECRET_KEY_FALLBACKS."
    )


class SecondFactorRequiredError(PermanentError):
    code = "second_factor_required"
    status = 401
    sentence = _("This account has a second factor: send its code as well.")


class SecondFactorCodeError(PermanentError):
    code = "second_factor_wrong"
    status = 401
    sentence = _("The code is wrong or was used already, or there were too many wrong ones.")


class NotADoctorError(PermanentError):
    code = "not_a_doctor"
    status = 403
    sentence = _("This account has no registration number, so it can't work with patients.")
