"""Forms of the account pages: allauth's, with our fields, labels and sentences."""

from __future__ import annotations

from allauth.account import app_settings
from allauth.account import forms as allauth
from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .evenly import evenly
from .models import Doctor
from .validators import email_normalize

LABELS = {
    "email": _("E-mail address"),
    "login": _("E-mail address"),
    "password": _("Password"),
    "oldpassword": _("Current password"),
    "password1": _("Password"),
    "password2": _("Password, once more"),
}
NEW_PASSWORD = {"password1": _("New password"), "password2": _("New password, once more")}
REQUIRED = {
    "registration_number": _("Enter your registration number."),
    "first_name": _("Enter your first name."),
    "last_name": _("Enter your last name."),
    "email": _("Enter your e-mail address."),
    "login": _("Enter your e-mail address."),
    "password": _("Enter your password."),
    "oldpassword": _("Enter your current password."),
    "password1": _("Choose a password."),
    "password2": _("Enter the same password once more."),
}


class OwnWords:
    """Our labels and sentences; no placeholder, which would only repeat the label."""

    labels: dict = {}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        labels = LABELS | self.labels
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in labels:
                field.label = labels[name]
            if name in REQUIRED:
                field.error_messages["required"] = REQUIRED[name]


class SignupForm(OwnWords, allauth.SignupForm):
    """A doctor's sign-up. ``Doctor`` itself checks the values; this form says what is wrong.

    A taken registration number is said plainly whatever the address, so it tells nothing
    of the address; a taken address is hidden while ``ACCOUNT_PREVENT_ENUMERATION`` is on.
    """

    registration_number = forms.CharField(
        label=_("Registration number"),
        max_length=32,
        help_text=_("The number under which you are registered as a doctor (RPPS: 11 digits)."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    first_name = forms.CharField(
        label=_("First name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    field_order = [
        "registration_number",
        "first_name",
        "last_name",
        "email",
        "password1",
        "password2",
    ]
    own_fields = frozenset({"registration_number", "first_name", "last_name"})

    def validate_unique_email(self, value: str) -> str:
        taken = Doctor.objects.filter(email=value).exists()
        if taken and not app_settings.PREVENT_ENUMERATION:
            raise get_adapter().validation_error("email_taken")
        self.account_already_exists = taken
        return value

    def clean(self) -> dict:
        super().clean()
        data = self.cleaned_data
        given = self.own_fields & data.keys()
        doctor = Doctor(email=data.get("email", ""), **{name: data[name] for name in given})
        others = {field.name for field in Doctor._meta.fields} - given
        try:
            doctor.full_clean(exclude=others)
        except ValidationError as error:
            self.add_error(None, error)
        for name in given & data.keys():
            data[name] = getattr(doctor, name)
        if "password1" in data:
            try:  # allauth has compared it with the address alone
                validate_password(data["password1"], doctor)
            except ValidationError as error:
                self.add_error("password1", error)
        if not self.errors:
            # Here, whether the address is free or taken, so that both take the time of a hash;
            # inside the transaction of ``save`` everybody else who writes would wait for it.
            self.password_hash = make_password(data["password1"])
        return data

    def save(self, request: HttpRequest) -> Doctor:
        with transaction.atomic():
            return super().save(request)


class LoginForm(OwnWords, allauth.LoginForm):
    def clean_login(self) -> str:
        return email_normalize(self.cleaned_data["login"])


class ResetPasswordForm(OwnWords, allauth.ResetPasswordForm):
    def clean_email(self) -> str:
        """An address that an account only wants to change to gives nobody that account."""
        email = get_adapter().clean_email(self.cleaned_data["email"])
        self.users = list(Doctor.objects.filter(email=email, is_active=True))
        if not self.users and not app_settings.PREVENT_ENUMERATION:
            raise get_adapter().validation_error("unknown_email")
        return email

    def save(self, request: HttpRequest, **kwargs) -> str:
        with evenly():  # A link for an account takes longer than a word for none.
            return super().save(request, **kwargs)


class ResetPasswordKeyForm(OwnWords, allauth.ResetPasswordKeyForm):
    labels = NEW_PASSWORD


class ChangePasswordForm(OwnWords, allauth.ChangePasswordForm):
    labels = NEW_PASSWORD


class SetPasswordForm(OwnWords, allauth.SetPasswordForm):
    pass


class ReauthenticateForm(OwnWords, allauth.ReauthenticateForm):
    pass


class ChangeEmailForm(OwnWords, allauth.AddEmailForm):
    labels = {"email": _("New e-mail address")}

    def clean_email(self) -> str:
        adapter = get_adapter()
        email = adapter.clean_email(self.cleaned_data["email"])
        if email == self.user.email:
            raise adapter.validation_error("duplicate_email")
        taken = Doctor.objects.filter(email=email).exists()
        if taken and not app_settings.PREVENT_ENUMERATION:
            raise adapter.validation_error("email_taken")
        return email

    def save(self, request: HttpRequest):
        with evenly():  # Another's address is not written down.
            return super().save(request)


class ProfileForm(OwnWords, forms.ModelForm):
    """What doctors change themselves: names, language, whether mails come, how they read."""

    class Meta:
        model = Doctor
        fields = ["first_name", "last_name", "language", "mail_when_read", "read_first"]
        widgets = {
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
        }
