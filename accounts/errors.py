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


class NotADoctorError(PermanentError):
    code = "not_a_doctor"
    status = 403
    sentence = _("This account has no registration number, so it can't work with patients.")


class TooManyTokensError(PermanentError):
    code = "too_many_tokens"
    status = 409
    sentence = _("This account has %(limit)s tokens already. Revoke one that is not used any more.")
