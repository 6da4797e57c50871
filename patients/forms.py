"""Forms for patients. The rules are the services'; a form only carries their sentences."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import CodedError

from .models import Erasure, Patient
from .services import patient_create, patient_get_or_create, patient_update

DATE_FORMATS = ["%Y-%m-%d", "%d/%m/%Y"]
FIELD_OF_ERROR = {
    "identifier_of_owner": "identifier",
    "patient_exists": "identifier",
    "birth_date_after_radiograph": "birth_date",
    "birth_date_in_future": "birth_date",
    "birth_date_too_early": "birth_date",
}


class DateInput(forms.DateInput):
    """The browser's own date field, which speaks ISO dates in every language."""

    input_type = "date"

    def __init__(self, attrs=None):
        super().__init__(attrs=attrs, format="%Y-%m-%d")


class PatientForm(forms.ModelForm):
    """Identifier, sex and birth date of one patient, and the consent to training."""

    class Meta:
        model = Patient
        fields = ["identifier", "sex", "birth_date", "training_consent"]
        widgets = {
            "identifier": forms.TextInput(
                attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
            ),
            "birth_date": DateInput(),
        }
        help_texts = {
            "identifier": _("The number by which your own records know the patient. Not a name."),
            "training_consent": _(
                "Whether the patient allows the radiographs to be used, without identity, to train "
                "and test models. Only where it is given are they."
            ),
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["sex"].choices = [("", _("Choose…")), *Patient.Sex.choices]
        self.fields["birth_date"].input_formats = DATE_FORMATS
        # Left out, it stays as it is: not known, for a new patient.
        self.fields["training_consent"].required = False
        self.fields["training_consent"].is_answered = True  # a person sees it answered

    def _post_clean(self) -> None:
        """The service validates the row; the form only parses."""

    def create(self, *, owner, request=None, again: bool = False) -> Patient | None:
        """The new patient; ``None``, with errors beside the fields, when refused.

        ``again``: the same was asked before and the answer was lost, so that the patient may
        be there already.
        """
        service = patient_get_or_create if again else patient_create
        return self._carry(lambda: service(owner=owner, request=request, **self.cleaned_data))

    def update(self, *, by, request=None) -> Patient | None:
        """The corrected patient; ``None``, with errors beside the fields, when refused."""
        # A row of its own: a refused change must not show in the page's heading.
        patient = Patient.objects.get(pk=self.instance.pk)
        return self._carry(
            lambda: patient_update(patient=patient, by=by, request=request, **self.cleaned_data)
        )

    def _carry(self, service) -> Patient | None:
        if not self.is_valid():
            return None
        try:
            return service()
        except CodedError as error:
            self.add_coded_error(error)
        except ValidationError as error:
            self.add_error(None, error)
        return None

    def add_coded_error(self, error: CodedError) -> None:
        self.add_error(FIELD_OF_ERROR.get(error.code), ValidationError(str(error), code=error.code))


class ErasureForm(forms.ModelForm):
    """Why a patient's data is to be erased."""

    class Meta:
        model = Erasure
        fields = ["cause", "comment"]
        widgets = {"comment": forms.Textarea(attrs={"rows": 3})}
        help_texts = {"comment": _("No name and no identifier, please.")}

    CAUSES = (Erasure.Cause.PATIENT, Erasure.Cause.MISTAKE, Erasure.Cause.OTHER)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        known = [(cause.value, cause.label) for cause in self.CAUSES]
        self.fields["cause"].choices = [("", _("Choose…")), *known]

    def _post_clean(self) -> None:
        """The service validates the row; the form only parses."""

    def request_with(self, service, **values) -> Erasure | None:
        """What ``service`` makes of it; ``None``, with errors beside the fields, when refused."""
        if not self.is_valid():
            return None
        try:
            return service(**self.cleaned_data, **values)
        except CodedError as error:
            field = "comment" if error.code == "erasure_reason" else None
            self.add_error(field, ValidationError(str(error), code=error.code))
        return None
