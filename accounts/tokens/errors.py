"""What may be wrong with a token, beside what the API's own errors say."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class TooManyTokensError(PermanentError):
    """``limit`` is how many an account may have."""

    code = "too_many_tokens"
    status = 409
    sentence = _("This account has %(limit)s tokens already. Revoke one that is not used any more.")


class TokenMakerError(PermanentError):
    code = "token_maker"
    status = 403
    sentence = _(
        "Whoever made this token does not own the practice any more, or may not practise now. An "
        "owner of the practice has to make a new one."
    )


class TokenAddressError(PermanentError):
    code = "token_address"
    status = 403
    sentence = _("This token may not be used from this address.")
