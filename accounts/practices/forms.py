"""Forms of the practice's page."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from .models import Practice, Role


class PracticeForm(forms.ModelForm):
    """The practice's name."""

    class Meta:
        model = Practice
        fields = ["name"]
        help_texts = {"name": _("As your colleagues know it. Patients never see it.")}

    def _post_clean(self) -> None:
        """The service validates the row; the form only parses."""


class InvitationForm(forms.Form):
    """Whom to ask, and in which role."""

    address = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text=_("Of a doctor who has an account here. They must accept."),
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=[
            (Role.DOCTOR, _("doctor: sees, judges, sends radiographs")),
            (Role.READER, _("reader: sees, changes nothing")),
            (Role.OWNER, _("owner: as doctor, and administers the practice")),
        ],
    )


class ProgramForm(forms.Form):
    """The name of a service account."""

    name = forms.CharField(
        label=_("Name of the program"),
        max_length=100,
        help_text=_("Such as the archive that sends radiographs. It is shown as their sender."),
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
