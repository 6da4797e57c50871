"""The form by which a doctor opens a colleague's patient in an emergency."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Doctor

from .forms import DATE_FORMATS, DateInput
from .models import EmergencyAccess


class EmergencyForm(forms.Form):
    """Whose patient, who, and why. Nothing here says who is there: everything must be known."""

    colleague = forms.ModelChoiceField(
        label=_("The patient's doctor"), queryset=Doctor.objects.none(), empty_label=_("Choose…")
    )
    identifier = forms.CharField(
        label=_("Patient identifier"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("Exactly as the colleague's records have it."),
    )
    birth_date = forms.DateField(
        label=_("Birth date"), input_formats=DATE_FORMATS, widget=DateInput
    )
    cause = forms.ChoiceField(label=_("Reason"), choices=EmergencyAccess.Cause.choices)
    comment = forms.CharField(
        label=_("What for"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "The patient's doctor and the owners of the practice read it. No name, please."
        ),
    )

    def __init__(self, *args, doctor: Doctor, **kwargs):
        super().__init__(*args, **kwargs)
        if doctor.practice_id:
            colleagues = Doctor.objects.filter(practice=doctor.practice_id, is_service=False)
            colleagues = colleagues.exclude(pk=doctor.pk)
            self.fields["colleague"].queryset = colleagues
