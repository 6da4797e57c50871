"""The form that makes a token."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import Doctor
from pneumoniapp.scopes import Scope

from .networks import LONGEST_NETWORK, MOST_NETWORKS, networks_normalize
from .services import days_check, scopes_of


class TokenForm(forms.Form):
    """What the token is for, what it may do, how long and from where.

    The service validates the values; the form asks its rules first, so that all mistakes are told
    at once.
    """

    name = forms.CharField(
        label=_("Name of the token"),
        max_length=100,
        help_text=_("By which you know it again: the program and the machine that use it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Give the token a name.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("No more than the program needs."),
        error_messages={"required": _("Choose what the token may do.")},
    )
    days = forms.IntegerField(
        label=_("Days for which it holds"),
        widget=forms.NumberInput(attrs={"min": 1, "inputmode": "numeric"}),
        error_messages={"required": _("Give a number of days.")},
    )
    networks = forms.CharField(
        label=_("Only from these addresses"),
        required=False,
        max_length=MOST_NETWORKS * (LONGEST_NETWORK + 2),
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "Addresses or networks with spaces or lines between them, such as 192.0.2.0/24 or "
            "2001:db8::/32. Empty: from everywhere."
        ),
    )

    def __init__(self, *args, owner: Doctor, **kwargs) -> None:
        days = min(settings.API_TOKEN_DAYS, settings.API_TOKEN_MAX_DAYS)
        kwargs.setdefault("initial", {"days": days, "scopes": [Scope.READ]})
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(scope.value, scope.label) for scope in scopes_of(owner)]
        self.fields["days"].widget.attrs["max"] = settings.API_TOKEN_MAX_DAYS

    def clean_days(self) -> int:
        try:
            return days_check(self.cleaned_data["days"])
        except ValidationError as error:
            raise ValidationError(error.messages) from error

    def clean_networks(self) -> list[str]:
        return networks_normalize(self.cleaned_data["networks"].replace(",", " ").split())
