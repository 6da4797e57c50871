"""Filters of lists, read as strictly as bodies are."""

from __future__ import annotations

import datetime as dt

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .serializers import ISO_DATE


class IsoDateFormField(forms.DateField):
    def to_python(self, value) -> dt.date | None:
        if value in self.empty_values:
            return None
        try:
            if ISO_DATE.fullmatch(value):
                return dt.date.fromisoformat(value)
        except ValueError:
            pass
        raise ValidationError(_("Write the date as YYYY-MM-DD."), code="invalid")


class IsoDateFilter(django_filters.DateFilter):
    """``YYYY-MM-DD``, in whatever language the request is."""

    field_class = IsoDateFormField


class DayFilter(IsoDateFilter):
    """A bound on an instant (``gte`` or ``lte``) by whole days of the server's time zone.

    The instants are worked out here: databases without time zone tables can't do it.
    """

    EARLIEST, LATEST = dt.date(1900, 1, 1), dt.date(9000, 1, 1)

    def filter(self, qs, value):
        if not value:
            return qs
        day = min(max(value, self.EARLIEST), self.LATEST)
        lookup = self.lookup_expr
        if lookup == "lte":
            day, lookup = day + dt.timedelta(days=1), "lt"
        midnight = timezone.make_aware(dt.datetime.combine(day, dt.time.min))
        return qs.filter(**{f"{self.field_name}__{lookup}": midnight})


class VisibleFilter(django_filters.UUIDFilter):
    """Rows of one other row that the account may see; any other key is answered with 404."""

    def __init__(self, *args, model, **kwargs) -> None:
        self.rows = model
        super().__init__(*args, **kwargs)

    def filter(self, qs, value):
        if not value:
            return qs
        if not self.rows.objects.visible_to(self.parent.request.user).filter(pk=value).exists():
            raise Http404
        return super().filter(qs, value)
