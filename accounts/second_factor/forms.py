"""allauth's forms of the second factor, with our labels."""

from __future__ import annotations

from allauth.mfa.base import forms as base
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django.utils.translation import gettext_lazy as _

from accounts.forms import OwnWords

NUMERIC = {"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false"}


class CodeWords(OwnWords):
    labels = {"code": _("Code")}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= NUMERIC
        self.fields["code"].error_messages["required"] = _("Enter the code.")


class AuthenticateForm(CodeWords, base.AuthenticateForm):
    pass


class ReauthenticateForm(CodeWords, base.ReauthenticateForm):
    pass


class ActivateTOTPForm(CodeWords, totp.ActivateTOTPForm):
    labels = {"code": _("Code that the app shows")}


class NameWords(OwnWords):
    labels = {"name": _("Name of the key")}


class AddWebAuthnForm(NameWords, webauthn.AddWebAuthnForm):
    pass


class EditWebAuthnForm(NameWords, webauthn.EditWebAuthnForm):
    pass
