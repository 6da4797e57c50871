"""What a doctor sends so that an administrator can verify them."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import OwnWords
from accounts.models import Doctor


class ApplicationForm(OwnWords, forms.ModelForm):
    """The names and the number with which a doctor asks again."""

    class Meta:
        model = Doctor
        fields = ["registration_number", "first_name", "last_name"]
        widgets = {
            "registration_number": forms.TextInput(
                attrs={"autocomplete": "off", "spellcheck": "false"}
            ),
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["registration_number"].required = True


class ProofForm(forms.Form):
    proof = forms.FileField(
        label=_("Document"),
        help_text=_(
            "Such as your professional card: PDF, JPEG or PNG. Only administrators see it, and "
            "it is deleted as soon as your account is decided upon."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": "application/pdf,image/jpeg,image/png"}),
    )
