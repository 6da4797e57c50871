"""Bodies that are read strictly: a misspelt or mistyped value is refused, never guessed.

A date that is silently left out, or a number taken for a name, ends up beside a
patient; so nothing is coerced and no unknown field is overlooked.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import uuid

from django.core.validators import ProhibitNullCharactersValidator, RegexValidator
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

NO_NULL = RegexValidator(
    r"^[^\x00]*\Z",
    ProhibitNullCharactersValidator.message,
    ProhibitNullCharactersValidator.code,
)
_kept = threading.local()
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def represent(serializer: type[serializers.Serializer], instance, **context) -> dict:
    """What ``serializer(instance, context=context).data`` is, with its fields kept.

    The fields of a serializer are built anew for each object of it, which takes longer than
    filling them; here each thread keeps one. Only for serializers that read, and whose
    fields depend on nothing but their class.
    """
    kept = _kept.__dict__.get(serializer)
    if kept is None:
        kept = _kept.__dict__[serializer] = serializer(context={})
    kept.context.clear()
    kept.context.update(context)
    try:
        return kept.to_representation(instance)
    finally:
        kept.context.clear()


class StrictCharField(serializers.CharField):
    """Text as it is sent: no space is cut off, and a number is not turned into text."""

    def __init__(self, **kwargs) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        # Django's own validator for this, in a form that the schema can tell.
        self.validators = [
            NO_NULL if isinstance(validator, ProhibitNullCharactersValidator) else validator
            for validator in self.validators
        ]

    def to_internal_value(self, data) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "format": "date", "example": "1961-05-04"})
class StrictDateField(serializers.DateField):
    """``YYYY-MM-DD`` and none of the other forms of ISO 8601."""

    default_error_messages = {"invalid": _("Write the date as YYYY-MM-DD.")}

    def to_internal_value(self, value) -> dt.date:
        if not isinstance(value, str) or not ISO_DATE.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class StrictIntegerField(serializers.IntegerField):
    """A whole number, not a text of digits."""

    def to_internal_value(self, data) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of the choices, as text. What else was sent is not repeated: programs log answers."""

    default_error_messages = {
        "invalid_choice": _(
            "Select a valid choice. That choice is not one of the available choices."
        )
    }

    def to_internal_value(self, data) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.UUID)
class VisibleField(serializers.Field):
    """The key of a row that the request's account may see, or whatever ``rule`` says.

    Any other key is answered as an unknown address is, 404: whether the row exists
    for somebody else can't be told.
    """

    default_error_messages = {"invalid": _("This is not a UUID.")}

    def __init__(self, model, *, rule: str = "visible_to", **kwargs) -> None:
        self.model, self.rule = model, rule
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        try:
            key = uuid.UUID(data)
        except (ValueError, TypeError, AttributeError):
            self.fail("invalid")
        rows = getattr(self.model.objects, self.rule)(self.context["request"].user)
        row = rows.filter(pk=key).first()
        if row is None:
            raise Http404
        return row

    def to_representation(self, value) -> str:
        return str(value.pk)


class StrictSerializer(serializers.Serializer):
    """A request's body whose every field must be known.

    ``schema_rules`` says in JSON Schema what the fields alone do not say.
    """

    schema_rules: dict = {}
    default_error_messages = {"unknown": _("There is no such field.")}

    def to_internal_value(self, data):
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = [str(name) for name in data if name not in known] if hasattr(data, "keys") else []
        errors = {
            name: [serializers.ErrorDetail(str(self.error_messages["unknown"]), "unknown")]
            for name in unknown
        }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(errors | error.detail) from None
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def run_validation(self, data=empty):
        # A form with a field sent twice would silently lose one of the two values.
        if hasattr(data, "lists"):
            for name, values in data.lists():
                if len(values) > 1:
                    raise serializers.ValidationError({name: [_("This field is sent twice.")]})
        return super().run_validation(data)
