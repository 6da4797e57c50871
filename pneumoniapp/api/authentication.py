"""Who sends the request: the holder of a token."""

from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ApiTokenAuthentication(TokenAuthentication):
    """knox's tokens; a header that can't be one is refused instead of breaking the decoder."""

    def authenticate_credentials(self, token: bytes):
        if not token.isascii():
            raise AuthenticationFailed
        return super().authenticate_credentials(token)
