"""Who an address and a password belong to."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from .models import Doctor


class AddressBackend(AuthenticationBackend):
    """allauth's, which asks for ``Doctor.email`` alone.

    One statement and one hash, whether an account has the address or not (allauth asks again
    in another table when it found nothing); an address that an account only wants to change
    to opens nobody's.
    """

    def _authenticate_by_email(self, email: str, password: str) -> Doctor | None:
        return self._check_password(Doctor.objects.filter(email=email).first(), password)
