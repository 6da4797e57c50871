"""allauth's forms of the second factor, with our labels."""

from __future__ import annotations

import struct

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as base
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import OwnWords

from .once import code_use

NUMERIC = {"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false"}


class CodeWords(OwnWords):
    labels = {"code": _("Code")}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= NUMERIC
        self.fields["code"].error_messages["required"] = _("Enter the code.")


class UsedOnce:
    """A code of an app is taken once, however it is spelled, and a second time is a wrong one."""

    def clean_code(self) -> str:
        code = super().clean_code()
        if not code_use(authenticator=self.authenticator, code=code):
            self._emit_authentication_failed(self.authenticator)
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(UsedOnce, CodeWords, base.AuthenticateForm):
    pass


class ReauthenticateForm(UsedOnce, CodeWords, base.ReauthenticateForm):
    pass


class ActivateTOTPForm(CodeWords, totp.ActivateTOTPForm):
    labels = {"code": _("Code that the app shows")}


class NameWords(OwnWords):
    labels = {"name": _("Name of the key")}


class Credential(forms.JSONField):
    def to_python(self, value):
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise get_adapter().validation_error("incorrect_code") from error

    def bound_data(self, data, initial):
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return None


class SoundCredential:
    """What no browser sends is a wrong answer: the library breaks on it in many ways."""

    broken = (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        AssertionError,
        RuntimeError,  # nested too deeply, or a kind of key that is not known
        struct.error,
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        old = self.fields["credential"]
        self.fields["credential"] = Credential(required=True, widget=old.widget)


class AddWebAuthnForm(SoundCredential, NameWords, webauthn.AddWebAuthnForm):
    def clean(self) -> dict:
        try:
            return super().clean()
        except self.broken as error:
            raise get_adapter().validation_error("incorrect_code") from error


class SoundAnswer(SoundCredential):
    def clean_credential(self):
        try:
            return super().clean_credential()
        except self.broken as error:
            raise get_adapter().validation_error("incorrect_code") from error


class AuthenticateWebAuthnForm(SoundAnswer, webauthn.AuthenticateWebAuthnForm):
    pass


class ReauthenticateWebAuthnForm(SoundAnswer, webauthn.ReauthenticateWebAuthnForm):
    pass


class EditWebAuthnForm(NameWords, webauthn.EditWebAuthnForm):
    pass
