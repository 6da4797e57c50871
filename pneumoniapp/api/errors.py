"""The coded errors of the protocol itself; those of the domain are in ``<app>/errors.py``."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class MalformedRequestError(PermanentError):
    code = "malformed_request"
    sentence = _("The request can't be read.")


class InvalidError(PermanentError):
    code = "invalid"
    sentence = _("Some values are missing or wrong; errors says which ones.")


class InvalidCursorError(PermanentError):
    code = "invalid_cursor"
    sentence = _("This is not a cursor that a list has given.")


class NotAuthenticatedError(PermanentError):
    code = "not_authenticated"
    status = 401
    sentence = _("Send a token in the Authorization header.")


class InvalidTokenError(PermanentError):
    code = "invalid_token"
    status = 401
    sentence = _("The token is not valid, or it has expired.")


class TokenScopeError(PermanentError):
    """``scope`` is what the route needs."""

    code = "token_scope"
    status = 403
    sentence = _("This token may not do that: it lacks the scope %(scope)s.")


class PermissionDeniedError(PermanentError):
    code = "permission_denied"
    status = 403
    sentence = _("This account may not do that.")


class NotFoundError(PermanentError):
    code = "not_found"
    status = 404
    sentence = _("There is nothing here, or it is not yours.")


class NotReadyError(PermanentError):
    code = "not_ready"
    status = 404
    sentence = _("This does not exist yet. Ask again when the analysis is done.")


class MethodNotAllowedError(PermanentError):
    code = "method_not_allowed"
    status = 405
    sentence = _("This address does not answer that method.")


class NotAcceptableError(PermanentError):
    code = "not_acceptable"
    status = 406
    sentence = _("The answer does not exist in the media type that was asked for.")


class RequestTooLargeError(PermanentError):
    code = "request_too_large"
    status = 413
    sentence = _("The request is larger than %(limit)s bytes.")


class UnsupportedMediaTypeError(PermanentError):
    code = "unsupported_media_type"
    status = 415
    sentence = _("The request's body has a media type that is not read here.")


class TooManyRequestsError(PermanentError):
    code = "too_many_requests"
    status = 429
    sentence = _("Too many requests. Wait before you try again.")
