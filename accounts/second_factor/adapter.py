"""Where allauth's second factor asks us: its secrets, its sentences, who may do without."""

from __future__ import annotations

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.errors import SecondFactorUnreadableError

USE = b"pneumoniapp second factor 1"


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets lie in the database encrypted with a key from ``SECRET_KEY``.

    ``SECRET_KEY_FALLBACKS`` still open what an earlier key has encrypted.
    """

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_generate_recovery_codes": _("Set up an app or a security key first."),
        "incorrect_code": _("This code is wrong, or it was used already."),
        "unverified_email": _("Confirm your e-mail address first, or take its change back."),
    }

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise SecondFactorUnreadableError from None

    def get_totp_issuer(self) -> str:
        return "PneumoniApp"

    def _get_site_name(self) -> str:
        return "PneumoniApp"


def _fernet() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=USE).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
