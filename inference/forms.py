"""Forms for readings: what a doctor uploads, filters and judges."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from patients.forms import DATE_FORMATS, DateInput
from patients.models import Patient
from patients.selectors import patient_find, patient_treated_get
from pneumoniapp.errors import CodedError
from radiology.models import Upload

from .errors import ReviewReasonMissingError
from .models import Analysis, Certainty, Label, Review
from .regions import region_read
from .review_services import reasons_for
from .selectors import Whose
from .wording import SHORT_CERTAINTY, question

NEW_PATIENT = "new"


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files, as a list. What is in them is for the intake to judge."""

    widget = FilesInput

    def clean(self, data, initial=None) -> list:
        files = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class NewReadingForm(forms.Form):
    """Whose radiographs are sent, when they were taken, and the files.

    ``patient`` is the key of one of the doctor's own patients, or ``"new"``; then the
    fields of :class:`patients.forms.PatientForm` come with the same request.

    In the place of the files the page's script may name an ``upload`` that has come in piece
    by piece, with the CRC-32 of it all; ``start`` is the number of the first file to take when
    it is an archive. ``again`` says that the answer to the same request was lost before.
    """

    patient = forms.CharField(error_messages={"required": _("Choose a patient, or add a new one.")})
    acquired_on = forms.DateField(
        label=_("Date of the radiograph"),
        required=False,
        input_formats=DATE_FORMATS,
        widget=DateInput,
        help_text=_("Left empty, each file's own date is used; a file without one needs it."),
    )
    files = FilesField(
        label=_("DICOM files or ZIP archives"),
        error_messages={"required": _("Choose at least one file.")},
        allow_empty_file=True,
    )
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)
    checksum = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    start = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    again = forms.BooleanField(required=False, widget=forms.HiddenInput)
    confirm_mismatch = forms.BooleanField(required=False)

    def __init__(self, *args, doctor, **kwargs):
        super().__init__(*args, **kwargs)
        self.doctor = doctor
        if self.data.get("upload"):
            del self.fields["files"]

    def clean_upload(self) -> Upload | None:
        """The doctor's upload."""
        key = self.cleaned_data["upload"]
        if key is None:
            return None
        upload = Upload.objects.visible_to(self.doctor).filter(pk=key).first()
        if upload is None:
            raise ValidationError(
                _("The file is no longer here. Send it again."), code="unknown_upload"
            )
        return upload

    def clean_patient(self) -> Patient | None:
        """A patient whom the doctor treats; ``None`` stands for a new one."""
        value = self.cleaned_data["patient"]
        if value == NEW_PATIENT:
            return None
        patient = patient_find(self.doctor, value, patient_treated_get)
        if patient is None:
            raise ValidationError(_("Choose a patient, or add a new one."), code="unknown_patient")
        return patient


class ReadingFilterForm(forms.Form):
    """What of the list is shown; every field may be left out."""

    label = forms.ChoiceField(
        label=_("Class"), required=False, choices=[("", _("All classes")), *Label.choices]
    )
    certainty = forms.ChoiceField(
        label=_("Certainty"),
        required=False,
        choices=[
            ("", _("Any certainty")),
            *SHORT_CERTAINTY.items(),
        ],
    )
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *Analysis.Status.choices]
    )
    since = forms.DateField(
        label=_("From"), required=False, input_formats=DATE_FORMATS, widget=DateInput
    )
    until = forms.DateField(
        label=_("To"), required=False, input_formats=DATE_FORMATS, widget=DateInput
    )
    patient = forms.UUIDField(required=False, widget=forms.HiddenInput)
    whose = forms.ChoiceField(
        required=False,
        choices=[("", ""), (Whose.PRACTICE, Whose.PRACTICE.label)],
        widget=forms.HiddenInput,
    )

    LOOKUPS = {
        "label": "label",
        "certainty": "certainty",
        "status": "status",
        "since": "radiograph__acquired_on__gte",
        "until": "radiograph__acquired_on__lte",
        "patient": "radiograph__patient",
    }

    @property
    def scope(self) -> Whose:
        """Of whose patients; of one patient both, since the patient is asked for by name."""
        self.is_valid()
        if self.cleaned_data.get("patient"):
            return Whose.KNOWN
        return Whose(self.cleaned_data.get("whose") or Whose.MINE)

    @property
    def lookups(self) -> dict:
        """Filter arguments for analyses; a field with an error filters nothing."""
        self.is_valid()
        return {
            lookup: self.cleaned_data[name]
            for name, lookup in self.LOOKUPS.items()
            if self.cleaned_data.get(name)
        }


class OwnClassForm(forms.Form):
    """What a doctor who reads first sees on the radiograph."""

    label = forms.ChoiceField(
        label=_("What do you see?"),
        choices=Label.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose the class that you see.")},
    )


class ReviewForm(forms.Form):
    """A doctor's judgement of a finished reading: agreed with by one button, or contested."""

    verdict = forms.ChoiceField(
        choices=Review.Verdict.choices,
        widget=forms.HiddenInput,
        error_messages={"required": _("Say whether you agree.")},
    )
    label = forms.ChoiceField(label=_("The right class"), required=False)
    reason = forms.ChoiceField(label=_("Why"), required=False)
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Needed where the reason is “Other”. Name no patient here."),
    )
    region = forms.CharField(
        required=False,
        max_length=100,
        widget=forms.HiddenInput(attrs={"data-region-input": "", "autocomplete": "off"}),
    )

    def __init__(self, *args, analysis: Analysis, **kwargs):
        super().__init__(*args, **kwargs)
        self.analysis = analysis
        others = [choice for choice in Label.choices if choice[0] != analysis.label]
        fitting = reasons_for(analysis.label)
        reasons = [choice for choice in Review.Reason.choices if choice[0] in fitting]
        self.fields["label"].choices = [("", _("Choose…")), *others]
        self.fields["reason"].choices = [("", _("Choose…")), *reasons]
        self.names_class = analysis.certainty != Certainty.UNLIKE
        if not self.names_class:  # Nothing is claimed that could be contested.
            self.fields["label"].label = _("What do you see?")
            self.fields["label"].choices = [("", _("Choose…")), *Label.choices]
            del self.fields["reason"]

    @property
    def question(self) -> str:
        return question(self.analysis) if self.analysis.label else ""

    def clean_region(self) -> list[float] | None:
        try:
            return region_read(self.cleaned_data["region"])
        except CodedError as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict:
        data = super().clean()
        if not self.names_class:
            return self._clean_class(data)
        if data.get("verdict") == Review.Verdict.APPROVED:
            data["label"] = self.analysis.label
        elif data.get("verdict"):
            if not data.get("label") and "label" not in self.errors:
                missing = ValidationError(_("Choose the right class."), code="required")
                self.add_error("label", missing)
            if not data.get("reason") and "reason" not in self.errors:
                self.add_error("reason", str(ReviewReasonMissingError()))
        return data

    def _clean_class(self, data: dict) -> dict:
        """The doctor's own class, beside which the most probable one is no claim."""
        if not data.get("label") and "label" not in self.errors:
            missing = ValidationError(_("Choose the class that you see."), code="required")
            self.add_error("label", missing)
        same = data.get("label") == self.analysis.label
        data["verdict"] = Review.Verdict.APPROVED if same else Review.Verdict.CONTESTED
        return data
