"""Who sends the request: the holder of a token."""

from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ApiTokenAuthentication(TokenAuthentication):
    """knox's tokens, found with one query and without a write."""

    def authenticate_credentials(self, token: bytes):
        if not token.isascii():  # knox would break on decoding it
            raise AuthenticationFailed
        return super().authenticate_credentials(token)

    def _cleanup_token(self, auth_token) -> bool:
        """Whether the token has ended. knox would look through all tokens of the account here
        and delete those that have; a daily task does that."""
        return auth_token.expiry is not None and auth_token.expiry <= timezone.now()
