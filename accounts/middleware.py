"""The language that the account prefers."""

from django.conf import settings
from django.utils import translation


class AccountLanguageMiddleware:
    """Activate the language of the signed-in account.

    First comes the language that somebody switched to (the cookie), then the account's,
    then the browser's, then ``LANGUAGE_CODE``. Stands behind ``LocaleMiddleware``, which
    sees to all but the account's, and behind ``AuthenticationMiddleware``.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not self._has_switched(request) and request.user.is_authenticated:
            translation.activate(request.user.language)
            request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)

    @staticmethod
    def _has_switched(request) -> bool:
        return request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) in dict(settings.LANGUAGES)
