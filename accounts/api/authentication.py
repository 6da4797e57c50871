"""Who sends the request: the holder of a token."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled

from accounts.models import ApiToken, Doctor
from accounts.tokens.errors import TokenAddressError, TokenMakerError
from accounts.tokens.services import maker_answers, token_find, token_use
from operations.audit.refusals import refusal_explain
from pneumoniapp.api.throttles import GuessThrottle


class ApiTokenAuthentication(BaseAuthentication):
    """``Authorization: Token <token>``, and nothing else: no cookie, no parameter.

    One query finds the token with its account. What the token may do is asked by the view
    (``pneumoniapp.api.views``). Wrong tokens are counted by address; a right one works from there
    nevertheless, so that nobody can lock out a hospital behind one address.
    """

    keyword = "Token"

    def authenticate(self, request) -> tuple[Doctor, ApiToken] | None:
        keyword, _space, text = get_authorization_header(request).partition(b" ")
        if keyword.lower() != self.keyword.lower().encode():
            return None
        # Bytes that are no ASCII become characters that no token has.
        token = token_find(text.strip().decode("ascii", errors="replace"))
        if token is None:
            self._count_guess(request)
            raise AuthenticationFailed
        if token.has_ended or not token.owner.is_active:
            refusal_explain(request._request, actor=token.owner, reason=f"token_ended:{token.pk}")
            raise AuthenticationFailed
        if not maker_answers(token):
            reason = f"token_maker:{token.pk}"
            refusal_explain(request._request, actor=token.owner, reason=reason)
            raise TokenMakerError
        try:
            # A proxy that does not say for whom it asks is no address of a client.
            known = getattr(request, "client_known", True)
            token_use(token=token, address=request.META.get("REMOTE_ADDR", "") if known else "")
        except TokenAddressError:
            reason = f"token_address:{token.pk}"
            refusal_explain(request._request, actor=token.owner, reason=reason)
            raise
        return token.owner, token

    def authenticate_header(self, request) -> str:
        return self.keyword

    @staticmethod
    def _count_guess(request) -> None:
        throttle = GuessThrottle()
        if not throttle.allow_request(request, None):
            raise Throttled(wait=throttle.wait())
